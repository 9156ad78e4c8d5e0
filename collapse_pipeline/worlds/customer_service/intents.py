"""The intents of the customer service world from the commonest to the rarest, and their shares."""

from collapse_pipeline.worlds.customer_service.battery import BATTERY
from collapse_pipeline.worlds.customer_service.charging import CHARGING
from collapse_pipeline.worlds.customer_service.faults import FAULTS
from collapse_pipeline.worlds.customer_service.network import NETWORK
from collapse_pipeline.worlds.customer_service.orders import ORDERS
from collapse_pipeline.worlds.customer_service.warranty import WARRANTY

# The rare ones all have a common neighbour that shares their words.
_RANKED = [
    "battery_drains_fast",
    "pairing_fails",
    "return_window",
    "warranty_length",
    "charging_not_starting",
    "wifi_drops",
    "refund_delayed",
    "one_side_silent",
    "warranty_claim_earphones",
    "return_start",
    "screen_cracked",
    "wifi_slow",
    "repair_status",
    "charging_slow",
    "warranty_claim_watch",
    "strap_broken",
    "exchange_request",
    "router_no_power",
    "sound_crackles",
    "return_opened_box",
    "battery_replacement",
    "charging_case_fault",
    "firmware_fails",
    "watch_water_damage",
    "warranty_claim_router",
    "microphone_fault",
    "return_postage",
    "heart_rate_wrong",
    "lost_earbud",
    "repair_time",
    "battery_swelling",
    "router_overheats",
    "battery_percentage_wrong",
    "warranty_transfer",
    "charger_compatibility",
    "return_late",
    "warranty_abroad",
    "protection_bypass",
    "battery_disposal",
    "warranty_void",
]

_ALL = (*WARRANTY, *ORDERS, *FAULTS, *NETWORK, *BATTERY, *CHARGING)
_BY_NAME = {intent.name: intent for intent in _ALL}
INTENTS = {name: _BY_NAME[name] for name in _RANKED}
# Zipf with an offset: the rarest ten of forty hold a tenth of the rows, none under 0.9%.
_WEIGHTS = [1.0 / (rank + 4) for rank in range(len(INTENTS))]
SHARES = tuple(weight / sum(_WEIGHTS) for weight in _WEIGHTS)
# By intent and product: the other intents that this product can have.
OTHERS: dict[tuple[str, str], tuple[str, ...]] = {
    (intent.name, product): tuple(
        other.name
        for other in INTENTS.values()
        if other is not intent and product in other.products
    )
    for intent in INTENTS.values()
    for product in intent.products
}
