"""What is kept of a definition for clients alone, as elements of solution files: names, kinds and defaults.

https://learn.microsoft.com/power-apps/developer/data-platform/customization-solutions-file-schema
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from orgstead.engine.solutionfile.markup import Reading, add, unsupported

__all__ = ["COLUMN_TRAITS", "TABLE_TRAITS", "Trait", "read_traits", "write_traits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """A property that is kept: its element, and the managed property that it is, if it is one.

    ``default`` is what a definition without it says: a flag, or an empty text.
    """

    element: str
    name: str
    default: bool | str
    managed: str | None = None


def _traits(text: str) -> Sequence[Trait]:
    """Traits out of lines: element, default, the managed property that it is or ``-``, the property if it differs."""
    found = []
    for line in text.strip().splitlines():
        element, default, managed, *rest = line.split()
        found.append(
            Trait(
                element=element,
                name=rest[0] if rest else element,
                default="" if default == "text" else default == "1",
                managed=None if managed == "-" else managed,
            )
        )
    return tuple(found)


COLUMN_TRAITS = _traits("""
IsAuditEnabled 1 canmodifyauditsettings
IsCustomizable 1 iscustomizable
IsRenameable 1 isrenameable
CanModifyAdditionalSettings 1 canmodifyadditionalsettings
IsSortableEnabled 0 canmodifyissortablesettings
IsGlobalFilterEnabled 0 canmodifyglobalfiltersettings
IsLocalizable 0 -
CanStoreFullImage 0 -
""")
TABLE_TRAITS = _traits("""
IsDuplicateCheckSupported 0 canmodifyduplicatedetectionsettings IsDuplicateDetectionEnabled
IsBusinessProcessEnabled 0 -
IsInteractionCentricEnabled 0 -
AutoRouteToOwnerQueue 0 -
IsConnectionsEnabled 0 canmodifyconnectionsettings
EntityColor text -
EntityHelpUrl text -
IsDocumentManagementEnabled 0 -
AutoCreateAccessTeams 0 -
IsOneNoteIntegrationEnabled 0 -
IsKnowledgeManagementEnabled 0 -
IsSLAEnabled 0 -
IsRetrieveAuditEnabled 0 -
IsRetrieveMultipleAuditEnabled 0 -
IsMailMergeEnabled 1 canmodifymailmergesettings
IsVisibleInMobile 0 canmodifymobilevisibility
IsVisibleInMobileClient 0 canmodifymobileclientvisibility
IsReadOnlyInMobileClient 0 canmodifymobileclientreadonly
IsOfflineInMobileClient 0 canmodifymobileclientoffline
MobileOfflineFilters text -
IsReadingPaneEnabled 1 -
IsQuickCreateEnabled 0 -
SyncToExternalSearchIndex 0 -
IsValidForQueue 0 canmodifyqueuesettings
IsCustomizable 1 iscustomizable
IsRenameable 1 isrenameable
IsMappable 1 ismappable
CanModifyAdditionalSettings 1 canmodifyadditionalsettings
CanCreateAttributes 1 cancreateattributes
CanCreateForms 1 cancreateforms
CanCreateViews 1 cancreateviews
CanCreateCharts 1 cancreatecharts
CanBeRelatedEntityInRelationship 1 canberelatedentityinrelationship
CanBePrimaryEntityInRelationship 1 canbeprimaryentityinrelationship
CanBeInManyToMany 1 canbeinmanytomany
CanBeInCustomEntityAssociation 1 canbeincustomentityassociation
CanEnableSyncToExternalSearchIndex 1 canenablesynctoexternalsearchindex
CanChangeHierarchicalRelationship 1 canchangehierarchicalrelationship
CanChangeTrackingBeEnabled 1 canchangetrackingbeenabled
EntityHelpUrlEnabled 0 -
IsEnabledForCharts 1 -
IsEnabledForExternalChannels 0 -
IconLargeName text -
IconMediumName text -
IconSmallName text -
IconVectorName text -
""")


def write_traits(
    parent: Element,
    traits: Sequence[Trait],
    shown: Mapping[str, Any],
    what: str,
    *,
    silent: Sequence[str] = (),
) -> None:
    """Write each trait that is not as usual, and flags always. Raises NotSupported for what has no element."""
    for name in shown:
        if name not in silent and all(trait.name != name for trait in traits):
            raise unsupported(f"{name} of {what} in a solution file")
    for trait in traits:
        value = shown.get(trait.name, trait.default)
        if isinstance(value, Mapping):
            if value.get("CanBeChanged") is False:
                raise unsupported(f"{trait.name} of {what}, fixed, in a solution file")
            value = bool(value.get("Value"))
        if isinstance(trait.default, bool) or value:
            add(parent, trait.element, value)


def read_traits(reading: Reading, traits: Sequence[Trait], current: Mapping[str, Any]) -> dict[str, Any]:
    """What a definition keeps by then: what stands in the file goes before what is there."""
    kept = dict(current)
    for trait in traits:
        child = reading.element.find(trait.element)
        if child is None:
            continue
        if isinstance(trait.default, bool):
            value: Any = reading.flag(trait.element, trait.default)
        else:
            value = reading.text(trait.element)
        if value == trait.default:
            kept.pop(trait.name, None)
        elif trait.managed is not None:
            kept[trait.name] = {
                "Value": value,
                "CanBeChanged": True,
                "ManagedPropertyLogicalName": trait.managed,
            }
        else:
            kept[trait.name] = value
    return kept
