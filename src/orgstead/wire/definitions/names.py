"""The names behind ``vocabulary``: a type a paragraph, a property a line with its type and its default in JSON.

``Type*`` is a collection; ``BooleanManagedProperty:name`` also says which managed property it is; a line that
starts with ``>`` is a navigation property. A property without a default is null unless the definition says more.
"""

__all__ = ["COMPLEX", "ENTITIES", "ENUMS"]

ENTITIES = """
MetadataBase abstract
MetadataId Guid
HasChanged Boolean

EntityMetadata :MetadataBase
ActivityTypeMask Int32 0
AutoRouteToOwnerQueue Boolean false
CanTriggerWorkflow Boolean true
EntityHelpUrlEnabled Boolean false
EntityHelpUrl String
IsDocumentManagementEnabled Boolean false
IsOneNoteIntegrationEnabled Boolean false
IsInteractionCentricEnabled Boolean false
IsKnowledgeManagementEnabled Boolean false
IsSLAEnabled Boolean false
IsBPFEntity Boolean false
AutoCreateAccessTeams Boolean false
IsActivity Boolean false
IsActivityParty Boolean false
IsRetrieveAuditEnabled Boolean false
IsRetrieveMultipleAuditEnabled Boolean false
IsArchivalEnabled Boolean false
IsRetentionEnabled Boolean false
IsAvailableOffline Boolean false
IsChildEntity Boolean false
IsAIRUpdated Boolean false
IconLargeName String
IconMediumName String
IconSmallName String
IconVectorName String
IsCustomEntity Boolean false
IsBusinessProcessEnabled Boolean false
SyncToExternalSearchIndex Boolean false
IsOptimisticConcurrencyEnabled Boolean true
ChangeTrackingEnabled Boolean false
IsImportable Boolean true
IsIntersect Boolean false
IsManaged Boolean false
IsEnabledForCharts Boolean true
IsEnabledForTrace Boolean false
IsValidForAdvancedFind Boolean true
DaysSinceRecordLastModified Int32 0
MobileOfflineFilters String ""
IsReadingPaneEnabled Boolean true
IsQuickCreateEnabled Boolean false
LogicalName String
ObjectTypeCode Int32
OwnershipType OwnershipTypes
PrimaryNameAttribute String
PrimaryImageAttribute String
PrimaryIdAttribute String
RecurrenceBaseEntityLogicalName String
ReportViewName String
SchemaName String
IntroducedVersion String "1.0.0.0"
IsStateModelAware Boolean false
EnforceStateTransitions Boolean false
ExternalName String
EntityColor String
LogicalCollectionName String
ExternalCollectionName String
CollectionSchemaName String
EntitySetName String
IsEnabledForExternalChannels Boolean false
IsPrivate Boolean false
UsesBusinessDataLabelTable Boolean false
IsLogicalEntity Boolean false
HasNotes Boolean false
HasActivities Boolean false
HasFeedback Boolean false
IsSolutionAware Boolean false
CreatedOn DateTimeOffset
ModifiedOn DateTimeOffset
HasEmailAddresses Boolean false
OwnerId Guid
OwnerIdType Int32
OwningBusinessUnit Guid
TableType String "Standard"
DataProviderId Guid
DataSourceId Guid
SettingOf String
Description Label
DisplayCollectionName Label
DisplayName Label
IsAuditEnabled BooleanManagedProperty:canmodifyauditsettings false
IsValidForQueue BooleanManagedProperty:canmodifyqueuesettings false
IsConnectionsEnabled BooleanManagedProperty:canmodifyconnectionsettings false
IsCustomizable BooleanManagedProperty:iscustomizable true
IsRenameable BooleanManagedProperty:isrenameable true
IsMappable BooleanManagedProperty:ismappable true
IsDuplicateDetectionEnabled BooleanManagedProperty:canmodifyduplicatedetectionsettings false
CanCreateAttributes BooleanManagedProperty:cancreateattributes true
CanCreateForms BooleanManagedProperty:cancreateforms true
CanCreateViews BooleanManagedProperty:cancreateviews true
CanCreateCharts BooleanManagedProperty:cancreatecharts true
CanBeRelatedEntityInRelationship BooleanManagedProperty:canberelatedentityinrelationship true
CanBePrimaryEntityInRelationship BooleanManagedProperty:canbeprimaryentityinrelationship true
CanBeInManyToMany BooleanManagedProperty:canbeinmanytomany true
CanBeInCustomEntityAssociation BooleanManagedProperty:canbeincustomentityassociation true
CanEnableSyncToExternalSearchIndex BooleanManagedProperty:canenablesynctoexternalsearchindex true
CanModifyAdditionalSettings BooleanManagedProperty:canmodifyadditionalsettings true
CanChangeHierarchicalRelationship BooleanManagedProperty:canchangehierarchicalrelationship true
CanChangeTrackingBeEnabled BooleanManagedProperty:canchangetrackingbeenabled true
IsMailMergeEnabled BooleanManagedProperty:canmodifymailmergesettings true
IsVisibleInMobile BooleanManagedProperty:canmodifymobilevisibility false
IsVisibleInMobileClient BooleanManagedProperty:canmodifymobileclientvisibility false
IsReadOnlyInMobileClient BooleanManagedProperty:canmodifymobileclientreadonly false
IsOfflineInMobileClient BooleanManagedProperty:canmodifymobileclientoffline false
Privileges SecurityPrivilegeMetadata* []
Settings EntitySetting* []
> Attributes AttributeMetadata*
> Keys EntityKeyMetadata*
> OneToManyRelationships OneToManyRelationshipMetadata*
> ManyToOneRelationships OneToManyRelationshipMetadata*
> ManyToManyRelationships ManyToManyRelationshipMetadata*

AttributeMetadata :MetadataBase
AttributeOf String
AttributeType AttributeTypeCode
ColumnNumber Int32
DeprecatedVersion String
IntroducedVersion String "1.0.0.0"
EntityLogicalName String
IsCustomAttribute Boolean false
IsPrimaryId Boolean false
IsValidODataAttribute Boolean true
IsPrimaryName Boolean false
IsValidForCreate Boolean true
IsValidForRead Boolean true
IsValidForUpdate Boolean true
CanBeSecuredForRead Boolean true
CanBeSecuredForCreate Boolean true
CanBeSecuredForUpdate Boolean true
IsSecured Boolean false
IsRetrievable Boolean false
IsFilterable Boolean false
IsSearchable Boolean false
IsManaged Boolean false
LinkedAttributeId Guid
LogicalName String
SchemaName String
ExternalName String
IsDataSourceSecret Boolean false
AutoNumberFormat String ""
IsValidForForm Boolean true
IsRequiredForForm Boolean false
IsValidForGrid Boolean true
IsLogical Boolean false
InheritsFrom String
SourceType Int32
CreatedOn DateTimeOffset
ModifiedOn DateTimeOffset
AttributeTypeName AttributeTypeDisplayName
Description Label
DisplayName Label
IsAuditEnabled BooleanManagedProperty:canmodifyauditsettings true
IsGlobalFilterEnabled BooleanManagedProperty:canmodifyglobalfiltersettings false
IsSortableEnabled BooleanManagedProperty:canmodifyissortablesettings false
IsCustomizable BooleanManagedProperty:iscustomizable true
IsRenameable BooleanManagedProperty:isrenameable true
IsValidForAdvancedFind BooleanManagedProperty:canmodifysearchsettings true
CanModifyAdditionalSettings BooleanManagedProperty:canmodifyadditionalsettings true
RequiredLevel AttributeRequiredLevelManagedProperty
Settings AttributeSetting* []

BigIntAttributeMetadata :AttributeMetadata
MaxValue Int64 9223372036854775807
MinValue Int64 -9223372036854775808

BooleanAttributeMetadata :AttributeMetadata
DefaultValue Boolean false
FormulaDefinition String ""
SourceTypeMask Int32 0
> OptionSet BooleanOptionSetMetadata
> GlobalOptionSet BooleanOptionSetMetadata

DateTimeAttributeMetadata :AttributeMetadata
MinSupportedValue DateTimeOffset "1753-01-01T00:00:00Z"
MaxSupportedValue DateTimeOffset "9999-12-31T23:59:59Z"
Format DateTimeFormat
ImeMode ImeMode "Auto"
FormulaDefinition String ""
SourceTypeMask Int32 0
DateTimeBehavior DateTimeBehavior
CanChangeDateTimeBehavior BooleanManagedProperty:canchangedatetimebehavior true

DecimalAttributeMetadata :AttributeMetadata
MaxValue Decimal
MinValue Decimal
Precision Int32
ImeMode ImeMode "Disabled"
FormulaDefinition String ""
SourceTypeMask Int32 0

DoubleAttributeMetadata :AttributeMetadata
MaxValue Double
MinValue Double
Precision Int32
ImeMode ImeMode "Disabled"

EnumAttributeMetadata :AttributeMetadata abstract
DefaultFormValue Int32
> OptionSet OptionSetMetadata
> GlobalOptionSet OptionSetMetadata

EntityNameAttributeMetadata :EnumAttributeMetadata
IsEntityReferenceStored Boolean false

FileAttributeMetadata :AttributeMetadata
MaxSizeInKB Int32 32768

ImageAttributeMetadata :AttributeMetadata
IsPrimaryImage Boolean false
MaxHeight Int32 144
MaxWidth Int32 144
MaxSizeInKB Int32 10240
CanStoreFullImage Boolean false

IntegerAttributeMetadata :AttributeMetadata
Format IntegerFormat "None"
MaxValue Int32 2147483647
MinValue Int32 -2147483648
FormulaDefinition String ""
SourceTypeMask Int32 0

LookupAttributeMetadata :AttributeMetadata
Targets String* []
Format LookupFormat "None"

ManagedPropertyAttributeMetadata :AttributeMetadata
ManagedPropertyLogicalName String
ParentAttributeName String
ParentComponentType Int32
ValueAttributeTypeCode AttributeTypeCode "Boolean"

MemoAttributeMetadata :AttributeMetadata
Format StringFormat "TextArea"
FormatName MemoFormatName
ImeMode ImeMode "Auto"
MaxLength Int32
IsLocalizable Boolean false

MoneyAttributeMetadata :AttributeMetadata
MaxValue Double
MinValue Double
ImeMode ImeMode "Disabled"
Precision Int32
PrecisionSource Int32
CalculationOf String
IsBaseCurrency Boolean false
FormulaDefinition String ""
SourceTypeMask Int32 0

MultiSelectPicklistAttributeMetadata :EnumAttributeMetadata
FormulaDefinition String ""
SourceTypeMask Int32 0
ParentPicklistLogicalName String
ChildPicklistLogicalNames String* []

PicklistAttributeMetadata :EnumAttributeMetadata
FormulaDefinition String ""
SourceTypeMask Int32 0
ParentPicklistLogicalName String
ChildPicklistLogicalNames String* []

StateAttributeMetadata :EnumAttributeMetadata

StatusAttributeMetadata :EnumAttributeMetadata

StringAttributeMetadata :AttributeMetadata
Format StringFormat "Text"
ImeMode ImeMode "Auto"
MaxLength Int32
YomiOf String
IsLocalizable Boolean false
DatabaseLength Int32
FormulaDefinition String ""
SourceTypeMask Int32 0
FormatName StringFormatName

UniqueIdentifierAttributeMetadata :AttributeMetadata

RelationshipMetadataBase :MetadataBase abstract
IsCustomRelationship Boolean false
IsValidForAdvancedFind Boolean true
SchemaName String
SecurityTypes SecurityTypes "None"
IsManaged Boolean false
RelationshipType RelationshipType
IntroducedVersion String "1.0.0.0"
IsCustomizable BooleanManagedProperty:iscustomizable true

OneToManyRelationshipMetadata :RelationshipMetadataBase
ReferencedAttribute String
ReferencedEntity String
ReferencingAttribute String
ReferencingEntity String
IsHierarchical Boolean false
EntityKey String
IsRelationshipAttributeDenormalized Boolean false
RelationshipAttributes RelationshipAttribute* []
ReferencedEntityNavigationPropertyName String
ReferencingEntityNavigationPropertyName String
RelationshipBehavior Int32 1
IsDenormalizedLookup Boolean
DenormalizedAttributeName String
AssociatedMenuConfiguration AssociatedMenuConfiguration
CascadeConfiguration CascadeConfiguration
> Lookup LookupAttributeMetadata

ManyToManyRelationshipMetadata :RelationshipMetadataBase
Entity1LogicalName String
Entity2LogicalName String
IntersectEntityName String
Entity1IntersectAttribute String
Entity2IntersectAttribute String
Entity1NavigationPropertyName String
Entity2NavigationPropertyName String
Entity1AssociatedMenuConfiguration AssociatedMenuConfiguration
Entity2AssociatedMenuConfiguration AssociatedMenuConfiguration

EntityKeyMetadata :MetadataBase
LogicalName String
SchemaName String
EntityLogicalName String
KeyAttributes String* []
IsManaged Boolean false
IntroducedVersion String "1.0.0.0"
EntityKeyIndexStatus EntityKeyIndexStatus "Active"
IsSynchronous Boolean false
IsExportKey Boolean false
IsSecondaryKey Boolean false
DisplayName Label
IsCustomizable BooleanManagedProperty:iscustomizable true

OptionSetMetadataBase :MetadataBase abstract
IsCustomOptionSet Boolean false
IsGlobal Boolean false
IsManaged Boolean false
Name String
ExternalTypeName String
OptionSetType OptionSetType "Picklist"
IntroducedVersion String
Description Label
DisplayName Label
IsCustomizable BooleanManagedProperty:iscustomizable true

BooleanOptionSetMetadata :OptionSetMetadataBase
TrueOption OptionMetadata
FalseOption OptionMetadata

OptionSetMetadata :OptionSetMetadataBase
ParentOptionSetName String
Options OptionMetadata* []

ManagedPropertyMetadata :MetadataBase
LogicalName String
ManagedPropertyType ManagedPropertyType
EnablesEntityName String
EnablesAttributeName String
ErrorCode Int32
EvaluationPriority ManagedPropertyEvaluationPriority "Low"
IntroducedVersion String "5.0.0.0"
IsGlobalForOperation Boolean false
IsPrivate Boolean false
Operation ManagedPropertyOperation "Update"
Description Label
DisplayName Label
"""

COMPLEX = """
Label
LocalizedLabels LocalizedLabel*
UserLocalizedLabel LocalizedLabel

LocalizedLabel
Label String
LanguageCode Int32
IsManaged Boolean
MetadataId Guid
HasChanged Boolean

BooleanManagedProperty
Value Boolean
CanBeChanged Boolean
ManagedPropertyLogicalName String

AttributeRequiredLevelManagedProperty
Value AttributeRequiredLevel
CanBeChanged Boolean
ManagedPropertyLogicalName String

AttributeTypeDisplayName
Value String

StringFormatName
Value String

MemoFormatName
Value String

DateTimeBehavior
Value String

AssociatedMenuConfiguration
Behavior AssociatedMenuBehavior
Group AssociatedMenuGroup
Order Int32
IsCustomizable Boolean
Icon String
ViewId Guid
AvailableOffline Boolean
MenuId String
QueryApi String
Label Label

CascadeConfiguration
Assign CascadeType
Delete CascadeType
Archive CascadeType
Merge CascadeType
Reparent CascadeType
Share CascadeType
Unshare CascadeType
RollupView CascadeType

EndpointCollection
Count Int32
IsReadOnly Boolean
Keys EndpointType*
Values String*

OrganizationDetail
OrganizationId Guid
FriendlyName String
OrganizationVersion String
EnvironmentId String
DatacenterId Guid
Geo String
TenantId String
UrlName String
UniqueName String
Endpoints EndpointCollection
State OrganizationState

OptionMetadata
Value Int32
Color String
IsManaged Boolean
ExternalValue String
ParentValues Int32*
Tag String
IsHidden Boolean
MetadataId Guid
HasChanged Boolean
Label Label
Description Label

StateOptionMetadata :OptionMetadata
DefaultStatus Int32
InvariantName String

StatusOptionMetadata :OptionMetadata
State Int32
TransitionData String

SecurityPrivilegeMetadata
CanBeBasic Boolean
CanBeDeep Boolean
CanBeGlobal Boolean
CanBeLocal Boolean
CanBeEntityReference Boolean
CanBeParentEntityReference Boolean
CanBeRecordFilter Boolean
Name String
PrivilegeId Guid
PrivilegeType PrivilegeType

EntitySetting
Name String
Value String

AttributeSetting
Name String
Value String

RelationshipAttribute
ReferencedAttribute String
ReferencingAttribute String

MetadataConditionValue
Type String
Value String

MetadataConditionExpression
PropertyName String
ConditionOperator MetadataConditionOperator
Value MetadataConditionValue

MetadataFilterExpression
Conditions MetadataConditionExpression*
FilterOperator LogicalOperator
Filters MetadataFilterExpression*

MetadataPropertiesExpression
AllProperties Boolean
PropertyNames String*

AttributeQueryExpression
Criteria MetadataFilterExpression
Properties MetadataPropertiesExpression

RelationshipQueryExpression
Criteria MetadataFilterExpression
Properties MetadataPropertiesExpression

EntityKeyQueryExpression
Criteria MetadataFilterExpression
Properties MetadataPropertiesExpression

LabelQueryExpression
FilterLanguages Int32*
MissingLabelBehavior Int32

EntityQueryExpression
Criteria MetadataFilterExpression
Properties MetadataPropertiesExpression
AttributeQuery AttributeQueryExpression
RelationshipQuery RelationshipQueryExpression
KeyQuery EntityKeyQueryExpression
LabelQuery LabelQueryExpression

DeletedMetadataCollection
Count Int32
IsReadOnly Boolean
Keys DeletedMetadataFilters*
Values GuidCollection*

GuidCollection
Items Guid*

ColumnSet
AllColumns Boolean
Columns String*

EntityRecordCountCollection
Count Int32
IsReadOnly Boolean
Keys String*
Values Int64*

ConditionExpression
AttributeName String
CompareColumns Boolean
EntityName String
Operator ConditionOperator
Values Object*

FilterExpression
AnyAllFilterLinkEntity LinkEntity
Conditions ConditionExpression*
FilterHint String
FilterOperator LogicalOperator
Filters FilterExpression*
IsQuickFindFilter Boolean

LinkEntity
Columns ColumnSet
EntityAlias String
JoinOperator JoinOperator
LinkCriteria FilterExpression
LinkEntities LinkEntity*
LinkFromAttributeName String
LinkFromEntityName String
LinkToAttributeName String
LinkToEntityName String
Orders OrderExpression*

Object
Type String
Value String

OrderExpression
Alias String
AttributeName String
EntityName String
OrderType OrderType

PagingInfo
Count Int32
PageNumber Int32
PagingCookie String
ReturnTotalRecordCount Boolean

QueryExpression
ColumnSet ColumnSet
Criteria FilterExpression
Distinct Boolean
EntityName String
LinkEntities LinkEntity*
NoLock Boolean
Orders OrderExpression*
PageInfo PagingInfo
QueryHints String
TopCount Int32

PrincipalAccess
AccessMask AccessRights
> Principal crmbaseentity

RolePrivilege
BusinessUnitId Guid
Depth PrivilegeDepth
PrivilegeId Guid
PrivilegeName String
RecordFilterId Guid
RecordFilterUniqueName String
"""

ENUMS = """
AccessRights None=0 ReadAccess=1 WriteAccess=2 AppendAccess=4 AppendToAccess=16 CreateAccess=32 DeleteAccess=65536 ShareAccess=262144 AssignAccess=524288
AssociatedMenuBehavior UseCollectionName=0 UseLabel=1 DoNotDisplay=2
AssociatedMenuGroup Details=0 Sales=1 Service=2 Marketing=3
AttributeRequiredLevel None=0 SystemRequired=1 ApplicationRequired=2 Recommended=3
AttributeTypeCode Boolean=0 Customer=1 DateTime=2 Decimal=3 Double=4 Integer=5 Lookup=6 Memo=7 Money=8 Owner=9 PartyList=10 Picklist=11 State=12 Status=13 String=14 Uniqueidentifier=15 CalendarRules=16 Virtual=17 BigInt=18 ManagedProperty=19 EntityName=20
CascadeType NoCascade=0 Cascade=1 Active=2 UserOwned=3 RemoveLink=4 Restrict=5
ConditionOperator Equal=0 NotEqual=1 GreaterThan=2 LessThan=3 GreaterEqual=4 LessEqual=5 Like=6 NotLike=7 In=8 NotIn=9 Between=10 NotBetween=11 Null=12 NotNull=13 Yesterday=14 Today=15 Tomorrow=16 Last7Days=17 Next7Days=18 LastWeek=19 ThisWeek=20 NextWeek=21 LastMonth=22 ThisMonth=23 NextMonth=24 On=25 OnOrBefore=26 OnOrAfter=27 LastYear=28 ThisYear=29 NextYear=30 LastXHours=31 NextXHours=32 LastXDays=33 NextXDays=34 LastXWeeks=35 NextXWeeks=36 LastXMonths=37 NextXMonths=38 LastXYears=39 NextXYears=40 EqualUserId=41 NotEqualUserId=42 EqualBusinessId=43 NotEqualBusinessId=44 ChildOf=45 Mask=46 NotMask=47 MasksSelect=48 Contains=49 DoesNotContain=50 EqualUserLanguage=51 NotOn=52 OlderThanXMonths=53 BeginsWith=54 DoesNotBeginWith=55 EndsWith=56 DoesNotEndWith=57 ThisFiscalYear=58 ThisFiscalPeriod=59 NextFiscalYear=60 NextFiscalPeriod=61 LastFiscalYear=62 LastFiscalPeriod=63 LastXFiscalYears=64 LastXFiscalPeriods=65 NextXFiscalYears=66 NextXFiscalPeriods=67 InFiscalYear=68 InFiscalPeriod=69 InFiscalPeriodAndYear=70 InOrBeforeFiscalPeriodAndYear=71 InOrAfterFiscalPeriodAndYear=72 EqualUserTeams=73 EqualUserOrUserTeams=74 Above=75 Under=76 NotUnder=77 AboveOrEqual=78 UnderOrEqual=79 EqualUserOrUserHierarchy=80 EqualUserOrUserHierarchyAndTeams=81 OlderThanXYears=82 OlderThanXWeeks=83 OlderThanXDays=84 OlderThanXHours=85 OlderThanXMinutes=86 ContainValues=87 DoesNotContainValues=88 EqualRoleBusinessId=89
DateTimeFormat DateOnly=0 DateAndTime=1
DeletedMetadataFilters Default=1 Entity=1 Attribute=2 Relationship=4 Label=8 OptionSet=16 All=31
EndpointAccessType Default=0 Internet=1 Intranet=2
EndpointType OrganizationService=0 OrganizationDataService=1 WebApplication=2
EntityKeyIndexStatus Pending=0 InProgress=1 Active=2 Failed=3
ImeMode Auto=0 Inactive=1 Active=2 Disabled=3
IntegerFormat None=0 Duration=1 TimeZone=2 Language=3 Locale=4
JoinOperator Inner=0 LeftOuter=1 Natural=2 MatchFirstRowUsingCrossApply=3 In=4 Exists=5 Any=6 NotAny=7 All=8 NotAll=9
LogicalOperator And=0 Or=1
OrderType Ascending=0 Descending=1
LookupFormat None=0 Connection=1 Regarding=2 Text=3
ManagedPropertyEvaluationPriority None=0 Low=1 Normal=2 High=3 Essential=4
ManagedPropertyOperation None=0 Create=1 Update=2 Delete=4 CreateUpdate=3 UpdateDelete=6 All=7
ManagedPropertyType Operation=0 Attribute=1 CustomEvaluator=2 Custom=3
MetadataConditionOperator Equals=0 NotEquals=1 In=2 NotIn=3 GreaterThan=4 LessThan=5
OptionSetType Picklist=0 State=1 Status=2 Boolean=3
OrganizationState Enabled=0 Disabled=1
OwnershipTypes None=0 UserOwned=1 TeamOwned=2 BusinessOwned=4 OrganizationOwned=8 BusinessParented=16
PrivilegeDepth Basic=0 Local=1 Deep=2 Global=3 RecordFilter=4
PrivilegeType None=0 Create=1 Read=2 Write=3 Delete=4 Assign=5 Share=6 Append=7 AppendTo=8
TargetFieldType All=0 ValidForCreate=1 ValidForUpdate=2 ValidForRead=3
RelationshipType OneToManyRelationship=0 ManyToManyRelationship=1
SecurityTypes None=0 Append=1 ParentChild=2 Pointer=4 Inheritance=8
StringFormat Email=0 Text=1 TextArea=2 Url=3 TickerSymbol=4 PhoneticGuide=5 VersionNumber=6 Phone=7 Json=8 RichText=9
"""
