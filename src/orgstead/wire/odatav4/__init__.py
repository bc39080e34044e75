"""OData as two wires speak it, the Web API and Finance and Operations: no wire, and no names of either."""
