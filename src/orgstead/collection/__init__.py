"""Collections for Postman and Insomnia, made from the definitions of an organisation."""

from orgstead.collection.insomnia import insomnia
from orgstead.collection.postman import GRANTS, SCHEMA, postman
from orgstead.collection.subject import SampleTable, Subject, read_operations, read_subject

__all__ = [
    "GRANTS",
    "SCHEMA",
    "SampleTable",
    "Subject",
    "insomnia",
    "postman",
    "read_operations",
    "read_subject",
]
