"""Which scenarios are heard over SOAP as well, and which of those are OData's alone, with the reason."""

from collections.abc import Mapping

from tests.parity.bridge.ledger import Why

__all__ = ["BOTH_WIRES", "ODATA_ALONE", "PARTLY"]

# Suites of HTTP, of batches, of the reading of definitions and of OData's documents have no counterpart; the suites of
# what runs beside requests (limits, webhooks, callbacks, steps of Python) ask for the same of every wire.
BOTH_WIRES = frozenset({
    f"test_parity_{name}"
    for name in (
        "changes", "columns", "custom_apis", "edges", "fetchxml", "files", "hierarchies", "jobs", "members", "messages",
        "organization", "promises", "queries", "rows", "sales", "secured_columns", "security", "security_messages",
        "step_rows", "tables", "tracking",
    )
})  # fmt: skip

# Scenarios that send nothing that SOAP could say: they are not run over it.
_ALONE: Mapping[Why, tuple[str, ...]] = {
    Why.REFUSED: (
        "changes.test_a_query_option_on_a_change_is_refused",
        "custom_apis.test_a_value_of_another_type_is_refused",
        "fetchxml.test_other_options_do_not_go_with_it",
        "fetchxml.test_too_much_is_refused",
        "promises.test_a_failure_tells_more_on_request",
        "promises.test_a_set_has_one_spelling",
        "promises.test_a_set_is_read_and_added_to_only",
        "promises.test_an_option_in_another_spelling_is_no_option",
        "promises.test_calls_that_go_nowhere_say_so",
        "queries.test_what_is_not_understood_is_refused_by_name",
        "tracking.test_options_that_do_not_go_with_tracking_are_refused",
        "tracking.test_tokens_that_were_never_given_out_are_refused",
    ),
    Why.DOCUMENT: (
        "custom_apis.test_the_description_tells_of_them_but_for_private_ones",
        "files.test_definitions_of_file_and_image_columns",
    ),
    Why.ELSEWHERE: ("edges.test_an_account_is_locked_under_every_spelling",),
    Why.BATCH: ("promises.test_a_batch_has_a_limit_and_holds_no_batch",),
    Why.LISTS: ("queries.test_expanded_collections_are_filtered_ordered_and_limited_per_parent",),
    Why.CHANGES: (
        "tracking.test_a_change_that_commits_late_is_not_lost",
        "tracking.test_a_token_lasts_seven_days",
        "tracking.test_a_transaction_that_is_still_open_holds_the_window_back",
    ),
    Why.BARE: ("messages.test_members_of_lists",),
    Why.POLYMORPHIC: ("members.test_rows_of_two_tables_with_one_id_are_told_apart",),
    Why.INSIDE: (
        "files.test_a_piece_that_no_row_knows_is_removed",
        "jobs.test_a_job_that_its_own_process_has_lost_sight_of_is_done_all_the_same",
    ),
}  # fmt: skip
ODATA_ALONE: Mapping[str, Why] = {name: why for why, names in _ALONE.items() for name in names}

# Scenarios of many cases, some of which have nothing for SOAP: bodies that no class of the SDK could hold, for one.
PARTLY = frozenset({
    "changes.test_a_wrong_change_of_options_is_refused_and_nothing_changes",
    "changes.test_a_wrong_column_is_refused_and_nothing_changes",
    "changes.test_a_wrong_global_choice_is_refused",
    "changes.test_a_wrong_key_is_refused",
    "changes.test_a_wrong_relationship_is_refused_and_nothing_changes",
    "changes.test_what_a_column_keeps_cannot_be_changed",
    "fetchxml.test_what_is_no_fetchxml_is_refused",
    "fetchxml.test_what_is_no_question_is_refused",
    "jobs.test_a_bulk_deletion_that_could_not_run_is_refused_at_once",
    "organization.test_a_wrong_call_is_a_fault",
    "promises.test_every_version_answers_alike_and_names_itself",
    "queries.test_a_filter_finds_exactly_its_rows",
    "secured_columns.test_columns_that_cannot_be_secured",
    "tables.test_a_wrong_table_is_refused_and_nothing_changes",
    "tables.test_how_a_definition_looks_has_its_type",
    "tables.test_what_a_table_keeps_cannot_be_changed",
    "tables.test_what_is_shipped_is_not_deleted",
})  # fmt: skip
