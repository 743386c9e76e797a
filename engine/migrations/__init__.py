"""The state database's versions, oldest first: versions/v0001_*.py and on. Run by `engine.state.migrate`."""
