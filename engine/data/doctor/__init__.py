"""The onboarding doctor: recognise a company's files, propose what each column is, find faults, and mend what is safe.

    vocabulary   the words that names and values are known by, in several languages
    abbreviations, legends, windows   what a name is short for, and what it says of its values and of a time
    looks        one column at first sight
    recognise    which column is the id, tenure, recency, contact
    leavers      which column says who left, by which of its values
    nearly       what may say who left, where no column does
    rivals       further columns that say who left, or may
    monies       which column is what customers pay, over which time, in which currency
    sectors      which sector the columns speak of
    consents     which columns say who may be contacted, and what they come to by channel
    faults       what is wrong in the cells, and the cure where one is safe
    cures        the cures carried out, each time the same
    besides      a file beside the customers', as a mapping says it
    joins        several files as one table of customers, and how they are known again next month
    gathering    what a file with many rows per customer brings
    silence      how likely a quiet customer comes back, by days of silence
    changes      what differs from the file of last month
    mapping      all of it as one small TOML file
"""
