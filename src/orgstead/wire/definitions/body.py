"""One JSON object of a definition being read: typed access to its properties, and what nobody reads is refused."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from orgstead.errors import Fault, fault
from orgstead.model.types import is_guid
from orgstead.wire.definitions.labels import Caption, read_label
from orgstead.wire.definitions.values import read_value
from orgstead.wire.definitions.vocabulary import METADATA_TYPES, Property, properties_of

__all__ = ["NAMESPACE", "Body", "type_of"]

NAMESPACE = "Microsoft.Dynamics.CRM."

# How a definition looks, where it shows and what may be done with it: kept and shown again, since clients read back
# what they wrote, though nothing that the engine does depends on it.
KEPT = frozenset({
    "AssociatedMenuConfiguration", "AutoCreateAccessTeams", "AutoRouteToOwnerQueue",
    "CanBeInCustomEntityAssociation", "CanBeInManyToMany", "CanBePrimaryEntityInRelationship",
    "CanBeRelatedEntityInRelationship", "CanChangeDateTimeBehavior", "CanChangeHierarchicalRelationship",
    "CanChangeTrackingBeEnabled", "CanCreateAttributes", "CanCreateCharts", "CanCreateForms",
    "CanCreateViews", "CanEnableSyncToExternalSearchIndex", "CanModifyAdditionalSettings",
    "CanStoreFullImage", "Entity1AssociatedMenuConfiguration", "Entity2AssociatedMenuConfiguration",
    "EntityColor", "EntityHelpUrl", "EntityHelpUrlEnabled", "HasEmailAddresses", "HasFeedback",
    "IconLargeName", "IconMediumName", "IconSmallName", "IconVectorName", "ImeMode", "IsAuditEnabled",
    "IsAvailableOffline", "IsBusinessProcessEnabled", "IsConnectionsEnabled", "IsCustomizable",
    "IsDocumentManagementEnabled", "IsDuplicateDetectionEnabled", "IsEnabledForCharts",
    "IsEnabledForExternalChannels", "IsGlobalFilterEnabled", "IsInteractionCentricEnabled",
    "IsKnowledgeManagementEnabled", "IsLocalizable", "IsMailMergeEnabled", "IsMappable",
    "IsOfflineInMobileClient", "IsOneNoteIntegrationEnabled", "IsQuickCreateEnabled",
    "IsReadOnlyInMobileClient", "IsReadingPaneEnabled", "IsRenameable", "IsRetrieveAuditEnabled",
    "IsRetrieveMultipleAuditEnabled", "IsSLAEnabled", "IsSortableEnabled", "IsValidForQueue",
    "IsVisibleInMobile", "IsVisibleInMobileClient", "MobileOfflineFilters", "SyncToExternalSearchIndex",
})  # fmt: skip
# What the service itself says about a definition: a client repeats what it read, and is not asked.
READ_ONLY = frozenset({
    "ActivityTypeMask", "CanBeSecuredForCreate", "CanBeSecuredForRead", "CanBeSecuredForUpdate",
    "ColumnNumber", "CreatedOn", "DatabaseLength", "DaysSinceRecordLastModified", "HasChanged",
    "IntroducedVersion", "IsAIRUpdated", "IsEnabledForTrace", "IsFilterable", "IsImportable", "IsManaged",
    "IsOptimisticConcurrencyEnabled", "IsRequiredForForm", "IsRetrievable", "IsSearchable",
    "IsValidForForm", "IsValidForGrid", "IsValidODataAttribute", "MaxHeight", "MaxWidth", "ModifiedOn",
    "Privileges", "RelationshipAttributes", "ReportViewName", "Settings",
})  # fmt: skip


def type_of(value: Any, default: str | None = None) -> str:
    """The metadata type that a JSON object states, without ``Complex``; raises InvalidDefinition."""
    if not isinstance(value, dict):
        raise fault("InvalidDefinition", what="the request", reason="a JSON object was expected")
    stated = value.get("@odata.type")
    if stated is None and default is not None:
        return default
    if not isinstance(stated, str):
        raise fault(
            "InvalidDefinition", what="the request", reason="@odata.type does not say what it defines"
        )
    name = stated.removeprefix("#").removeprefix(NAMESPACE)
    plain = name.removeprefix("Complex")
    if plain not in METADATA_TYPES:
        raise fault(
            "InvalidDefinition", what="the request", reason=f"{stated[:100]} is no type of a definition"
        )
    return plain


class Body:
    """A definition in JSON.

    ``shown`` is how the definition reads by now (or would by default): a property that no one asks for must say
    the same. Every getter gives ``default`` when the property is absent or null.
    """

    def __init__(self, value: Mapping[str, Any], type_name: str, shown: Mapping[str, Any]) -> None:
        self.value = value
        self.type_name = type_name
        self.shown = shown
        self.properties, self.links = properties_of(type_name)
        self.read: set[str] = set()
        self.what = str(
            value.get("SchemaName") or value.get("LogicalName") or value.get("Name") or type_name
        )[:100]

    def wrong(self, reason: str) -> Fault:
        """The fault for this definition."""
        return fault("InvalidDefinition", what=self.what, reason=reason)

    def raw(self, name: str) -> Any:
        """The value as it stands; None when it says what the definition shows anyway."""
        self.read.add(name)
        value = self.value.get(name)
        return None if value == self.shown.get(name) else value

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self.raw(name)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > 4000:
            raise self.wrong(f"{name} must be a text")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """A truth value, plain or managed."""
        value = self.raw(name)
        if isinstance(value, dict):
            value = value.get("Value")
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(f"{name} must be true or false")
        return value

    def whole(self, name: str, default: int | None = None) -> int | None:
        """A whole number of 32 bits."""
        value = self.raw(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
            raise self.wrong(f"{name} must be a whole number")
        return value

    def number(self, name: str, default: float | int | None = None) -> float | int | None:
        """A number."""
        value = self.raw(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise self.wrong(f"{name} must be a number")
        return int(value) if value == int(value) else float(value)

    def choice(self, name: str, default: str | None = None) -> str | None:
        """A member of an enumeration, plain or as a value object."""
        value = self.raw(name)
        if isinstance(value, dict):
            value = value.get("Value")
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > 100:
            raise self.wrong(f"{name} must be the name of a member")
        return value

    def label(self, name: str, default: str = "") -> str:
        """The text of a label."""
        found = read_label(self.raw(name), f"{name} of {self.what}")
        return default if found is None else found

    def names(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts."""
        value = self.raw(name)
        if value is None:
            return default
        if (
            not isinstance(value, list)
            or len(value) > 500
            or not all(isinstance(item, str) for item in value)
        ):
            raise self.wrong(f"{name} must be an array of texts")
        return tuple(value)

    def id(self, name: str, default: str) -> str:
        """A GUID."""
        value = self.raw(name)
        if value is None:
            return default
        if not is_guid(value):
            raise self.wrong(f"{name} must be a GUID")
        return str(value).lower()

    def kept(self, start: Mapping[str, Any]) -> Mapping[str, Any]:
        """``start`` with what the body says of how the definition looks (``KEPT``)."""
        kept = dict(start)
        for name in self.value.keys() & self.properties.keys() & KEPT - self.read:
            value, shown = self.raw(name), self.shown.get(name)
            if value is None or _says_the_same(self.properties[name], value, shown):
                continue
            read = read_value(self.properties[name], value, shown, self.what)
            if read != _texts(shown):
                kept[name] = read
        return kept

    def finish(self) -> None:
        """Refuse what was not read and says something else than the definition does.

        Raises InvalidProperty for names that the type does not have, NotSupported for the others.
        """
        for name, value in self.value.items():
            if "@" in name or name in self.read:
                continue
            prop = self.properties.get(name)
            if prop is None and name not in self.links:
                raise fault("InvalidProperty", name=name[:100], type=f"{NAMESPACE}{self.type_name}")
            if name in READ_ONLY or value is None:
                continue
            if prop is None or not _says_the_same(prop, value, self.shown.get(name)):
                raise fault("NotSupported", feature=f"The property {name} of the definition of {self.what}")


def _texts(shown: Any) -> Any:
    """A complex value with its labels as texts."""
    if not isinstance(shown, dict):
        return shown
    return {name: part.text if isinstance(part, Caption) else part for name, part in shown.items()}


def _says_the_same(prop: Property, given: Any, shown: Any) -> bool:
    if isinstance(shown, Caption):
        return read_label(given, prop.name) in (None, shown.text)
    if isinstance(given, dict) and isinstance(shown, dict) and "Value" in shown:
        return bool(given.get("Value") == shown.get("Value"))
    return bool(given == shown)
