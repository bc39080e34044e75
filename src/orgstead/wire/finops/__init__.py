"""Finance and Operations on the wire: data entities, the connector, data management and its files."""
