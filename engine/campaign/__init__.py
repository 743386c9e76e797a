"""Campaign: lists that leave the building, in a form that other tools take and no spreadsheet executes."""
