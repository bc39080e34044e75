"""What files of an entity are called and how their columns are mapped; which entity a name means."""

import json
from collections.abc import Mapping

from orgstead.errors import fault
from orgstead.model import datamanagement as dm
from orgstead.model.dataentities import DataEntity
from orgstead.model.schema import Schema

__all__ = ["BY_NAME", "EXTENSIONS", "FORMATS", "find_entity", "mapping"]

FORMATS: Mapping[int, str] = {
    dm.Format.Csv: "CSV",
    dm.Format.XmlElement: "XML-Element",
    dm.Format.XmlAttribute: "XML-Attribute",
    dm.Format.Excel: "EXCEL",
    dm.Format.Tab: "TAB",
    dm.Format.Pipe: "PIPE",
    dm.Format.CsvUnicode: "CSV-Unicode",
    dm.Format.CsvSemiColon: "CSV-SemiColon",
}
EXTENSIONS: Mapping[int, str] = {
    dm.Format.Csv: "csv",
    dm.Format.XmlElement: "xml",
    dm.Format.XmlAttribute: "xml",
    dm.Format.Excel: "xlsx",
    dm.Format.Tab: "txt",
    dm.Format.Pipe: "csv",
    dm.Format.CsvUnicode: "csv",
    dm.Format.CsvSemiColon: "csv",
}
BY_NAME: Mapping[str, int] = {name.lower(): number for number, name in FORMATS.items()}


def find_entity(schema: Schema, name: str) -> DataEntity | None:
    """An entity by what data management, or anybody else, calls it; in any case."""
    folded = name.strip().casefold()
    for entity in schema.entities.values():
        if folded in (entity.label.casefold(), entity.name.casefold(), entity.collection.casefold()):
            return entity
    return next((each for each in schema.entities.values() if each.target.casefold() == folded), None)


def mapping(text: str | None) -> list[tuple[str, str]]:
    """Pairs of a column and a field, out of ``{"column": "Field"}``. Raises DataFileColumns."""
    if not text:
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise fault(
            "DataFileColumns", reason="the field mapping of the data project is no JSON object of texts"
        )
    return list(value.items())
