"""stub"""


def encode(event, schema):
    raise NotImplementedError
