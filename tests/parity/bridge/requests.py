"""Messages that the Web API's reader has made as requests of the Organization Service, and what their answers mean."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from orgstead.errors import Fault
from orgstead.model import messages as model
from orgstead.model.messages import Parameter, Result, Signature
from orgstead.model.query import Expand, Query, ToMany, ToOne
from orgstead.model.record import Record
from orgstead.model.record import Ref as ModelRef
from orgstead.model.schema import Schema
from orgstead.wire.soap.contracts import find_type
from orgstead.wire.soap.read import Reader
from tests.parity.bridge.ledger import Alone, Why
from tests.parity.bridge.pages import page_of, plan_of
from tests.parity.bridge.questions import ordered, printed, question
from tests.parity.bridge.values import canonical, entity, reference, role, text, typed
from tests.parity.soap import (
    Of,
    Ref,
    Row,
    Rows,
    columns,
    guid,
    guids,
    moment,
    option,
    raw,
    references,
    relationship,
)

__all__ = ["Asked", "Bridge", "fetched_query"]

ANY_ROW = "crmbaseentity"
# Types that are pairs in .NET, and lists of keys and of values on the Web API.
PAIRED = frozenset({"EntityRecordCountCollection"})
MATCHES = Of("m:ConcurrencyBehavior", "IfRowVersionMatches")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request by its name, and what its results mean; ``then`` is asked for after it, by what it has meant."""

    name: str
    parameters: Mapping[str, Any]
    read: Callable[[Mapping[str, Any]], Result]
    then: "Callable[[Result], Asked] | None" = None


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a message is called over SOAP."""

    target: str = "Target"
    parameters: Mapping[str, str] | None = None
    results: Mapping[str, str] | None = None


@cache
def spellings() -> Mapping[str, Spelling]:
    rows = tomllib.loads(files("orgstead.wire.soap").joinpath("messages.toml").read_text("utf-8"))
    return {name: Spelling(**row) for name, row in rows.items()}


class Bridge:
    """Requests by one schema."""

    def __init__(self, schema: Schema, signatures: Mapping[str, Signature]) -> None:
        self.schema = schema
        self.signatures = signatures

    def asked(self, message: model.Message, fetched: str | None = None) -> Asked:
        """The request of a message; raises Alone. ``fetched`` is the FetchXML that a query was written in."""
        match message:
            case model.Create():
                return self.create(message)
            case model.Retrieve():
                if message.if_match is not None or message.if_none_match is not None:
                    raise Alone(Why.CONDITIONAL)
                return self.retrieve(message.ref, message.query)
            case model.RetrieveMultiple():
                return self.retrieve_multiple(message.query, fetched)
            case model.Update():
                return self.update(message.ref, message.record, message.if_match, message.returning)
            case model.Upsert() if message.create and message.update:
                return self.upsert(message)
            case model.Upsert() if message.update:
                return self.update(message.ref, message.record, message.if_match, message.returning)
            case model.Delete():
                target = reference(message.ref, self.schema, message.if_match)
                more = {} if message.if_match is None else {"ConcurrencyBehavior": MATCHES}
                return Asked(
                    name="Delete",
                    parameters={"Target": target, **more},
                    read=lambda _: Result(ref=message.ref),
                )
            case model.Associate():
                return self.tie(
                    "Associate", message.ref, message.relationship, message.related, message.reverse
                )
            case model.Disassociate() if message.related is not None:
                return self.tie(
                    "Disassociate", message.ref, message.relationship, message.related, message.reverse
                )
            case model.Disassociate():
                raise Alone(Why.NAMELESS)
            case model.Execute():
                return self.execute(message)
        raise Alone(Why.CONDITIONAL)

    def plan(self, query: Query, id: str | None = None) -> Any:
        """The places of a row; None of a query that will be refused. Raises Alone for values that are texts in SOAP."""
        try:
            return plan_of(query, self.schema, id)
        except Fault as error:
            if error.name == "IncompatibleTypes":
                raise Alone(Why.UNTYPED) from None
            return None

    # -- rows --------------------------------------------------------------------------------------------------------
    def create(self, message: model.Create) -> Asked:
        """A row to be made."""
        record = message.record

        def read(results: Mapping[str, Any]) -> Result:
            return Result(ref=ModelRef(record.table, results["id"]), created=True)

        parameters = {"Target": entity(record, self.schema)}
        return Asked(name="Create", parameters=parameters, read=read, then=self.again(message.returning))

    def again(self, returning: Query | None) -> Callable[[Result], Asked] | None:
        """Reading a row that was written; what that takes is known before it is."""
        if returning is None:
            return None
        self.retrieve(ModelRef(returning.table, "0" * 36), returning)

        def then(result: Result) -> Asked:
            assert result.ref is not None
            asked = self.retrieve(result.ref, returning)
            read = asked.read
            return replace(asked, read=lambda results: replace(read(results), created=result.created))

        return then

    def update(self, ref: ModelRef, record: Record, if_match: int | None, returning: Query | None) -> Asked:
        """A row to be changed."""
        target = entity(record, self.schema, ref, if_match)
        more = {} if if_match is None else {"ConcurrencyBehavior": MATCHES}
        then = self.again(returning)
        if isinstance(ref.key, tuple):
            # Which row it was only the Web API's answer would say.
            raise Alone(Why.LAYOUT)
        return Asked(
            name="Update", parameters={"Target": target, **more}, read=lambda _: Result(ref=ref), then=then
        )

    def upsert(self, message: model.Upsert) -> Asked:
        """A row to be changed or made."""
        target = entity(message.record, self.schema, message.ref, message.if_match)
        more = {} if message.if_match is None else {"ConcurrencyBehavior": MATCHES}

        def read(results: Mapping[str, Any]) -> Result:
            told = results["Target"]
            return Result(ref=ModelRef(told.table, told.id), created=results["RecordCreated"])

        then = self.again(message.returning)
        return Asked(name="Upsert", parameters={"Target": target, **more}, read=read, then=then)

    def tie(self, name: str, ref: ModelRef, by: str, related: ModelRef, reverse: bool) -> Asked:
        """Two rows to be tied or untied."""
        parameters = {
            "Target": reference(ref, self.schema),
            "Relationship": raw("a:Relationship", relationship(by, role(by, self.schema, reverse=reverse))),
            "RelatedEntities": raw(
                "a:EntityReferenceCollection", references(reference(related, self.schema))
            ),
        }
        return Asked(name=name, parameters=parameters, read=lambda _: Result(ref=ref))

    # -- reading -----------------------------------------------------------------------------------------------------
    def retrieve(self, ref: ModelRef, query: Query) -> Asked:
        """One row, with what is related to it."""
        if query.where is not None or query.aliased:
            raise Alone(Why.LAYOUT)
        whole = query.columns is None
        parameters: dict[str, Any] = {
            "Target": reference(ref, self.schema),
            "ColumnSet": raw("a:ColumnSet", columns(*(query.columns or ()), everything=whole)),
        }
        ties = {each.name: self.relationship_of(each, ref.table) for each in query.expand}
        if query.expand:
            pairs = [
                (
                    {"SchemaName": ties[each.name], "PrimaryEntityRole": self.role_of(each, ties[each.name])},
                    self.related(each, ties[each.name], ref.table),
                )
                for each in query.expand
            ]
            if len(set(ties.values())) < len(ties):
                raise Alone(Why.NESTED)
            parameters["RelatedEntitiesQuery"] = typed(("xrm", "RelationshipQueryCollection"), pairs)
        key = ref.key if isinstance(ref.key, str) else None
        plan = self.plan(query, key or "")

        def read(results: Mapping[str, Any]) -> Result:
            row = results["Entity"]
            page = page_of(plan, Rows([row]), ties=ties)
            return Result(
                ref=ModelRef(ref.table, row.id),
                page=page,
                version=None if row.version is None else int(row.version),
            )

        return Asked(name="Retrieve", parameters=parameters, read=read)

    def relationship_of(self, expand: Expand, table: str) -> str:
        """The relationship that an expand goes along."""
        link = expand.link
        if expand.expand or expand.count or expand.refs_only:
            raise Alone(Why.NESTED)
        if isinstance(link, ToMany):
            return link.relationship
        assert isinstance(link, ToOne)
        for one in self.schema.one_to_many.values():
            if (one.referencing, one.referencing_attribute, one.referenced) == (
                table,
                link.lookup,
                link.target,
            ):
                return one.schema_name
        raise Alone(Why.NESTED)

    def role_of(self, expand: Expand, name: str) -> str | None:
        """Which end of a relationship of a table with itself the row is."""
        link = expand.link
        return role(
            name, self.schema, to_one=isinstance(link, ToOne), reverse=getattr(link, "reverse", False)
        )

    def related(self, expand: Expand, name: str, parent: str) -> Any:
        """The query of what is related to a row."""
        one, many = self.schema.one_to_many.get(name), self.schema.many_to_many.get(name)
        if isinstance(expand.link, ToOne):
            table = expand.link.target
        elif one is not None:
            table = one.referencing
        else:
            assert many is not None
            table = many.entity1 if expand.link.reverse or parent == many.entity2 else many.entity2
        query = Query(
            table=table,
            columns=expand.columns,
            where=expand.where,
            order=tuple(ordered(expand.order)),
            top=expand.top,
        )
        return printed(query, self.schema)

    def retrieve_multiple(self, query: Query, fetched: str | None) -> Asked:
        """Rows of a query."""
        plan = self.plan(query)
        along: Mapping[tuple[str, ...], str] = {}
        if fetched is not None:
            asked: Any = fetched_query(fetched)
        else:
            told = question(query, self.schema)
            asked, along = told.query, told.along

        def read(results: Mapping[str, Any]) -> Result:
            rows = results["EntityCollection"]
            if query.count_only:
                page = page_of(plan, Rows([], total=rows.total, capped=rows.capped), counted=True)
                return Result(page=page)
            return Result(page=page_of(plan, rows, query.page_number, along, query.count))

        return Asked(name="RetrieveMultiple", parameters={"Query": asked}, read=read)

    # -- messages by name --------------------------------------------------------------------------------------------
    def execute(self, message: model.Execute) -> Asked:
        """A message by its signature, or by the request that the SDK has for it."""
        given = message.parameters
        match message.name:
            case "Merge" if given["Target"].table != given["Subordinate"].table:
                raise Alone(Why.UNTYPED)
            case "CreateMultiple" | "UpdateMultiple" | "UpsertMultiple" | "DeleteMultiple":
                return self.many(message.name, given["Targets"], message.target)
            case "Merge":
                parameters = {
                    "Target": reference(ref_of(given["Target"], self.schema), self.schema),
                    "SubordinateId": guid(ref_of(given["Subordinate"], self.schema).id),
                    "PerformParentingChecks": given.get("PerformParentingChecks", False),
                }
                if "UpdateContent" in given:
                    parameters["UpdateContent"] = entity(given["UpdateContent"], self.schema)
                return Asked(name="Merge", parameters=parameters, read=lambda _: Result())
            case "AddListMembersList":
                members = [ref_of(each, self.schema).id for each in given["Members"]]
                parameters = {
                    "ListId": guid(ref_of(given["List"], self.schema).id),
                    "MemberIds": guids(*members),
                }
                return Asked(name="AddListMembersList", parameters=parameters, read=lambda _: Result())
            case "RetrieveEntityChanges":
                raise Alone(Why.CHANGES)
        signature = self.signatures.get(message.name)
        if signature is None:
            raise Alone(Why.MESSAGE)
        return self.call(message, signature)

    def many(self, name: str, targets: Sequence[Record], table: Any) -> Asked:
        """A request about many rows of a table."""
        if name == "DeleteMultiple":
            refs = [reference(ref_of(each, self.schema, whole=False), self.schema) for each in targets]
            parameters = {"Targets": raw("a:EntityReferenceCollection", references(*refs))}
        else:
            if any(each.table != table for each in targets):
                raise Alone(Why.UNTYPED)
            rows = Rows([entity(each, self.schema) for each in targets], table=str(table))
            parameters = {"Targets": rows}

        def read(results: Mapping[str, Any]) -> Result:
            return Result(value={"Ids": list(results["Ids"])} if name == "CreateMultiple" else None)

        return Asked(name=name, parameters=parameters, read=read)

    def call(self, message: model.Execute, signature: Signature) -> Asked:
        """A message by its signature."""
        spelling = spellings().get(message.name, Spelling())
        theirs = {
            ours.partition(":")[0]: (name, ours.partition(":")[2])
            for name, ours in (spelling.parameters or {}).items()
        }
        parameters: dict[str, Any] = {}
        target = message.target
        if signature.bound and signature.collection:
            if signature.bound == ("*",):
                parameters["EntityName"] = str(target)
        elif signature.bound:
            assert isinstance(target, ModelRef)
            name, _, table = spelling.target.partition(":")
            parameters[name] = guid(target.id) if table else reference(target, self.schema)
        types = {each.name: each for each in signature.parameters}
        for ours, value in message.parameters.items():
            name, table = theirs.get(ours, (ours, ""))
            parameters[name] = self.argument(types[ours], value, table)

        def read(results: Mapping[str, Any]) -> Result:
            return self.answer(signature, spelling, results, message.parameters.get("ColumnSet"))

        return Asked(name=message.name, parameters=parameters, read=read)

    def argument(self, parameter: Parameter, value: Any, table: str) -> Any:
        """A parameter as its type has it; ``table``: rows of it are told by their ids."""
        kind = parameter.type
        if kind.startswith("Collection("):
            return self.arguments(kind[11:-1], value, table)
        if kind.startswith("Edm."):
            if kind == "Edm.Int32" and parameter.name in ("Status", "State"):
                return option(value)
            return primitive(kind, value)
        plain = kind.removeprefix("mscrm.")
        if table:
            return guid(ref_of(value, self.schema).id)
        if isinstance(value, Record | ModelRef):
            return self.row(value)
        if plain == "QueryExpression":
            return question(value, self.schema).query
        found = find_type(None, plain)
        if found is None or (isinstance(value, Mapping) and _strange(value)):
            raise Alone(Why.UNTYPED)
        return typed(found, value)

    def arguments(self, kind: str, values: Sequence[Any], table: str) -> Any:
        """A parameter that is a collection."""
        plain = kind.removeprefix("mscrm.")
        if table or kind == "Edm.Guid":
            return guids(
                *(each if isinstance(each, str) else ref_of(each, self.schema).id for each in values)
            )
        if all(isinstance(each, Record | ModelRef) for each in values):
            rows = [self.row(each) for each in values]
            if all(isinstance(each, Ref) for each in rows):
                return raw("a:EntityReferenceCollection", references(*rows))
            made = [each if isinstance(each, Row) else Row(each.table, id=each.id) for each in rows]
            return Rows(made, table=plain if plain != ANY_ROW else None)
        if kind == "Edm.String":
            return typed(("arrays", "ArrayOfstring"), list(values))
        if kind == "Edm.Int32":
            return typed(("arrays", "ArrayOfint"), list(values))
        if plain == "QueryExpression":
            return typed(("xrm", "ArrayOfQueryExpression"), [printed(each, self.schema) for each in values])
        found = find_type(None, f"ArrayOf{plain}")
        if found is None:
            raise Alone(Why.UNTYPED)
        return typed(found, list(values))

    def row(self, value: Record | ModelRef) -> Row | Ref:
        """A row that is named, or given with its columns."""
        if isinstance(value, ModelRef):
            return reference(value, self.schema)
        primary = self.schema.tables[value.table].primary_id
        left = {name: each for name, each in value.values.items() if name != primary}
        if (value.id or value.key) and not left and not value.related:
            return reference(ref_of(value, self.schema, whole=False), self.schema)
        return entity(value, self.schema)

    # -- answers -----------------------------------------------------------------------------------------------------
    def answer(
        self, signature: Signature, spelling: Spelling, results: Mapping[str, Any], shown: Any
    ) -> Result:
        """What a message has answered."""
        if not signature.returns:
            assert not results, results
            return Result()
        if signature.direct is not None:
            value = results.get((spelling.results or {}).get("", "Entity"))
            if isinstance(value, Row) and value.version is not None:
                some = isinstance(shown, Mapping) and not shown.get("AllColumns")
                query = Query(table=value.table, columns=tuple(shown["Columns"]) if some else None)
                return Result(page=page_of(plan_of(query, self.schema, value.id), Rows([value])))
            return Result(value=self.told(signature.direct, value))
        told: dict[str, Any] = {}
        for each in signature.returns:
            name = (spelling.results or {}).get(each.name, each.name)
            if name in results:
                told[each.name] = self.told(each.type, results[name])
        return Result(value=told)

    def told(self, kind: str, value: Any) -> Any:
        """A result as the engine has answered it."""
        if kind.startswith("Collection(") and value == "":
            return []
        if kind == "Collection(Edm.Int32)":
            return [int(each) for each in value]
        if isinstance(value, str) and kind.startswith("mscrm."):
            # Flags, which SOAP has with spaces between them.
            return ", ".join(value.split())
        match value:
            case Row():
                columns = self.schema.tables[value.table].columns
                values = {name: self.held(columns.get(name), each) for name, each in value.values.items()}
                id = value.id if value.id.strip("0-") else None
                if not values and id:
                    return ModelRef(value.table, id)
                return Record(table=value.table, id=id, values=values)
            case Ref():
                return ModelRef(value.table, value.id)
            case Rows():
                return [self.told(kind, each) for each in value.rows]
            case list():
                return [self.told(kind, each) for each in value]
        if hasattr(value, "tag"):
            plain = kind.removeprefix("Collection(").removesuffix(")").removeprefix("mscrm.")
            found = find_type(None, f"ArrayOf{plain}" if kind.startswith("Collection(") else plain)
            if found is None:
                raise AssertionError(f"no type {kind}")
            read = keyed(Reader(self.schema).typed(value, found))
            return keyed({"Endpoints": read})["Endpoints"] if plain in PAIRED else read
        return value

    def held(self, column: Any, value: Any) -> Any:
        if isinstance(value, Ref):
            return ModelRef(value.table, value.id)
        return canonical(column, value)


def ref_of(value: Any, schema: Schema, *, whole: bool = True) -> ModelRef:
    """The row that a parameter names; ``whole``: by its id."""
    found = value
    if isinstance(value, Record):
        primary = schema.tables[value.table].primary_id
        id = value.id or value.values.get(primary)
        found = value.key or (ModelRef(value.table, id) if id else None)
    if not isinstance(found, ModelRef) or (whole and not isinstance(found.key, str)):
        raise Alone(Why.UNTYPED)
    return found


def keyed(value: Any) -> Any:
    """Collections of pairs as the Web API has them."""
    if not isinstance(value, dict):
        return [keyed(each) for each in value] if isinstance(value, list) else value
    return {
        name: {"Count": len(each), "IsReadOnly": False, "Keys": list(each), "Values": list(each.values())}
        if name == "Endpoints"
        else ", ".join(each.split(","))
        if name == "AccessMask"
        else keyed(each)
        for name, each in value.items()
    }


def fetched_query(written: str) -> Any:
    """A FetchExpression."""
    told = text(written)
    return raw("a:FetchExpression", f"<a:Query>{told.value}</a:Query>")


def primitive(kind: str, value: Any) -> Any:
    """A simple parameter."""
    match kind:
        case "Edm.String":
            return text(value)
        case "Edm.Guid":
            return guid(value)
        case "Edm.DateTimeOffset":
            return moment(value)
        case "Edm.Int64":
            return Of("c:long", value)
        case "Edm.Int32" if not -(2**31) <= value < 2**31:
            raise Alone(Why.UNTYPED)
    return value


def _strange(value: Mapping[str, Any]) -> bool:
    return any(isinstance(each, Record) for each in value.values())
