"""The Dataverse Web API: OData v4 requests to messages, results to responses."""
