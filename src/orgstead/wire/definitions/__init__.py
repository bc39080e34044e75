"""The metadata vocabulary: schema values as the published metadata types, and back. Shared by OData and SOAP."""
