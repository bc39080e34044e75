"""Solution files: definitions as the XML documents in a zip archive, written and read."""
