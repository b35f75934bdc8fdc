//! The store's contract: one list of laws, held on every database.
//!
//! A law is an async function that gets a [`Bench`]: a fresh, migrated database of its own. A new database is a
//! [`backend::Backend`] and a line in [`every_law_on!`]; a new law is a function and its name in the list.

mod alarms;
mod attempts;
mod audit;
mod backend;
mod backup;
mod callbacks;
mod copy;
mod counts;
mod crash;
mod damage;
mod doors;
mod entries;
mod feed;
mod leases;
mod look;
mod presence;
mod rescue;
mod same_schema;
mod samples;
mod schema;
mod together;
mod upgrade;
mod vanished;

use backend::{Backend, Postgres, Sqlite};

macro_rules! laws {
    ($backend:ty; $($theme:ident: $($law:ident)+;)+) => {$($(
        #[tokio::test]
        async fn $law() {
            super::$theme::$law(<$backend>::migrated().await).await;
        }
    )+)+};
}

macro_rules! every_law_on {
    ($($name:ident = $backend:ty;)+) => {$(mod $name {
        use super::*;

        laws! { $backend;
            entries:
                a_transfer_comes_back_as_it_went_in
                a_request_id_twice_fails_whole
                one_open_transfer_per_person
                whoever_has_ended_may_move_again
                an_amended_document_takes_the_place_of_the_old
                what_was_taken_in_is_known_without_a_look
                a_transfer_that_was_waited_for_says_so
                what_is_in_the_way_is_found_in_one_look;
            counts:
                counts_are_by_system_and_state
                counts_are_what_a_full_count_finds
                a_recount_mends_what_a_hand_has_changed
                what_comes_and_goes_is_counted_with_its_time;
            look:
                a_list_is_what_a_look_at_every_row_finds
                a_page_looks_at_a_stretch_and_goes_on
                a_damaged_row_is_left_out_of_a_list
                whom_an_amendment_names_is_found
                failures_are_grouped_by_system_and_cause;
            audit:
                rows_follow_each_other_and_are_sound
                a_changed_row_is_found
                a_row_taken_out_is_found
                rows_that_changed_places_are_found
                an_end_taken_off_is_found
                an_end_taken_off_is_found_after_the_next_acts
                a_log_that_was_emptied_is_found
                a_row_put_in_is_found
                an_older_log_gets_its_beginning_with_the_schema
                an_emptied_log_gets_no_beginning_with_the_schema
                a_row_is_not_changed_or_removed_by_a_slip
                what_is_not_committed_stands_nowhere
                two_who_add_at_once_make_one_chain;
            feed:
                one_commit_moves_state_timeline_and_feed
                without_a_commit_nothing_happened
                what_is_told_is_durable
                the_cursor_only_grows
                the_feed_hears_changes_and_milestones_alone
                timelines_do_not_mix;
            leases:
                what_is_due_longest_is_claimed_first
                a_claim_takes_no_more_than_its_limit
                a_claim_leaves_alone_what_is_not_its_own
                a_claim_of_a_queued_transfer_begins_an_attempt
                a_claim_for_a_query_changes_no_state
                two_claims_never_share
                a_token_opens_its_own_lease_alone
                a_change_of_state_takes_the_lease_away
                a_milestone_leaves_the_lease
                what_somebody_else_wrote_is_not_written_over
                of_two_leases_the_last_writes
                next_due_is_the_earliest_that_can_be_claimed
                query_all_open_wakes_what_a_partner_has;
            rescue:
                unsent_work_is_queued_again
                what_may_have_been_sent_is_unconfirmed
                only_an_open_submit_makes_doubt
                a_question_under_way_frees_the_transfer
                a_wanted_withdrawal_needs_no_partner_when_nothing_was_sent
                a_wanted_withdrawal_in_doubt_is_not_done_by_a_rescue
                a_lease_that_lasts_is_left_alone
                another_systems_leases_are_left_alone
                a_thousand_foreign_leases_hide_nothing;
            attempts:
                an_exchange_is_kept_from_begin_to_end
                an_end_is_written_once
                many_exchanges_have_keys_of_their_own
                an_answer_with_a_zero_in_it_is_kept
                exchanges_stay_in_order_and_apart;
            callbacks:
                an_event_is_kept_with_its_verdict
                a_repeat_is_counted_and_a_second_row_refused
                events_are_listed_newest_first
                a_page_of_events_looks_at_so_many_and_no_more
                an_unmatched_event_waits_and_is_settled
                a_nonce_is_taken_once_within_its_memory
                a_nonce_belongs_to_its_system
                old_nonces_are_forgotten_oldest_first_and_so_many_at_once;
            alarms:
                one_alarm_is_open_per_system_and_kind
                the_feed_hears_an_alarm_come_and_go
                an_alarm_without_a_commit_is_none
                two_daemons_raise_one_alarm
                what_falls_due_and_what_lapses_is_counted_as_far_as_asked;
            doors:
                intake_rows_come_in_order_and_leave_when_taken
                a_taken_row_comes_back_without_a_commit
                a_refused_row_moves_aside_sealed
                a_systems_row_is_remembered
                a_damaged_health_is_fresh_and_a_damaged_pause_still_one
                a_feeds_cursor_moves_from_where_it_was_seen
                a_backlog_is_what_has_no_outcome
                a_tokens_name_and_hash_are_its_own
                a_revoked_token_opens_nothing;
            schema:
                an_empty_database_names_the_command
                an_older_schema_names_the_command
                a_newer_schema_is_left_alone
                migrating_twice_is_migrating_once
                two_writers_both_succeed
                a_look_is_consistent;
            together:
                no_change_of_a_transfer_is_lost
                no_change_of_a_new_system_is_lost
                a_reader_of_the_feed_misses_nothing
                what_is_gathered_is_done_together
                one_that_fails_fails_alone;
            damage:
                a_damaged_transfer_names_table_column_and_row
                a_damaged_row_beside_a_transfer_is_named
                a_damaged_value_is_not_repeated
                a_damaged_transfer_stops_nothing_but_itself
                a_damaged_transfer_is_set_aside_when_it_is_looked_up;
            crash:
                a_crash_at_any_commit_leaves_work_to_go_on_with;
        }
    })+};
}

every_law_on! {
    sqlite = Sqlite;
    postgres = Postgres;
}

mod sqlite_alone {
    use super::*;

    laws! { Sqlite;
        schema:
            one_daemon_owns_the_database;
        attempts:
            an_exchanges_key_is_above_every_other;
    }
}

mod postgres_alone {
    use super::*;

    laws! { Postgres;
        together:
            a_claim_passes_over_what_is_being_claimed
            who_ends_meanwhile_is_not_open
            who_ends_meanwhile_is_in_nobodys_way
            what_is_held_is_changed_by_nobody_else_until_the_commit
            works_that_wait_for_each_other_both_end
            a_commit_rings_in_other_processes
            nobody_hears_their_own_announcements;
        doors:
            upstream_may_insert_and_nothing_else;
    }
}
