"""What Dagster has on record of asset checks: the one reader of its event log storage, whose
methods for checks are no public API."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

PAGE = 50  # records
ENDED = {AssetCheckExecutionRecordStatus.FAILED, AssetCheckExecutionRecordStatus.SUCCEEDED}
NOT_PASSED = {AssetCheckExecutionRecordStatus.FAILED, AssetCheckExecutionRecordStatus.PLANNED}


@dataclass(frozen=True)
class Unpassed:
    """An execution of a check that failed, has no result yet, or will never have one."""

    check: dg.AssetCheckKey
    id: int  # rises from one execution to the next, over all checks
    run_id: str
    night: str  # "" where it had no partition
    step: str  # whose failure would be the check's; "" of one that has a result


def newest_ids(
    instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, int]:
    """The id of the newest execution of each check that was ever planned, in one query."""
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    return {check: newest[check].id for check in checks if check in newest}


def unpassed_since(
    instance: dg.DagsterInstance, check: dg.AssetCheckKey, after: int
) -> list[Unpassed]:
    """Executions behind `after` that failed or have no result, oldest first.

    An execution keeps its id when its result comes: one without a result has to be looked at
    again for as long as its run goes on.
    """
    found: list[AssetCheckExecutionRecord] = []
    before: int | None = None
    while True:
        page = instance.event_log_storage.get_asset_check_execution_history(
            check, limit=PAGE, cursor=before, status=NOT_PASSED
        )
        found += [record for record in page if record.id > after]
        if len(page) < PAGE or page[-1].id <= after:
            return [_unpassed(record) for record in reversed(found)]
        before = page[-1].id


def last_result(
    instance: dg.DagsterInstance, check: dg.AssetCheckKey
) -> dg.AssetCheckEvaluation | None:
    """What a check said last, in a run or beside one."""
    last = instance.event_log_storage.get_asset_check_execution_history(
        check, limit=1, status=ENDED
    )
    return last[0].evaluation if last else None


def _unpassed(record: AssetCheckExecutionRecord) -> Unpassed:
    planned = record.status is AssetCheckExecutionRecordStatus.PLANNED
    step = record.event.step_key if record.event and planned else ""
    return Unpassed(record.key, record.id, record.run_id, record.partition or "", step or "")
