"""The real clients from npm, in guarded mode, against model servers that answer by script. Run: make clients."""
