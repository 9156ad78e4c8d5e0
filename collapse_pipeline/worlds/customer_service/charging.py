"""What customers say about charging, and the dangerous wishes among it."""

from collapse_pipeline.worlds.customer_service.grammar import Intent

_WORN = ("earphones", "watch")

CHARGING = (
    Intent(
        "charging_not_starting",
        _WORN,
        (
            "my {p} (won't|do{es} not|no longer) charge",
            "(nothing happens|no light comes on) (when|if) I (plug in|dock|charge) my {p}",
            "the {p} (stay{s} at zero|{is} dead)( even|) after a night on the charger",
            "charging (stops|breaks off) (after a minute|at 20 percent)( and does not start"
            " again|)",
            "(cable|charger|socket) is fine, but the {p} (do{es} not|refuse{s} to) (charge|take a"
            " charge)",
            "the charging (light|icon) (stays off|does not come on|goes off again)",
            "plugged in (all night|for hours), (still empty|not one percent)",
            "the charging (pins|contacts|port) (look|are) (bent|green|dirty)",
        ),
        "charging fault",
        r"charg",
        (
            "(clean|wipe) the charging contacts with a dry cloth and use a plain 5 volt charger",
            "hold the button for fifteen seconds while the {p} {is} charging, that wakes a flat"
            " cell",
            "(please try|try) another cable(, |: )if the charging light stays off we replace the"
            " {p}",
        ),
        fault=True,
    ),
    Intent(
        "charging_slow",
        _WORN,
        (
            "my {p} take{s} (forever|five hours|all night) to charge",
            "charging (is|has become) (very|so|much too) slow( since the update| lately|)",
            "why does (charging|a full charge) take (so long|longer than before|six hours)?",
            "(after|in) two hours on the charger my {p} {is} only at (20|30) percent",
            "fast charging (does not work|is gone|never kicks in) on my {p}",
            "the app (says|shows) slow (charger|charging) (with|on) (every|the original) cable",
            "{it} charge{s} (one|two) percent (a minute|every ten minutes), is that"
            " (normal|right)?",
            "overnight is (not enough|barely enough) to fill {them}",
        ),
        "slow charging",
        r"slow|fast|charging (time|speed)|watt",
        (
            "a full charge should take about ninety minutes(, |: )(a weak|an old) adapter makes"
            " it slow, use 10 watts or more",
            "charging slows down when the {p} {is} warm, that is to protect the battery",
            "use the cable from the box for fast charging, many others are slow",
        ),
        fault=True,
    ),
    Intent(
        "charging_case_fault",
        ("earphones",),
        (
            "the (charging case|case) of my {p} (won't|does not) (charge|hold a charge)",
            "the case (does not|no longer) charge(s|) the (left bud|right bud|buds)",
            "the (lid|hinge|magnet) of the case (is broken|does not close|is loose)",
            "the (light|LED) on the case (stays red|blinks orange|is off)",
            "buds (come out|are) empty (after a night in|every time I open) the case",
            "my case (drains|is flat) (overnight|within a day)( without the buds| on its own|)",
            "(can I buy|do you sell) (a new|only the|a spare) charging case?",
            "the case gets (warm|hot) (but|and) the {p} stay empty",
        ),
        "charging case",
        r"case",
        (
            "(clean|wipe) the contacts in the case and leave it on the cable for an hour",
            "reset the case with the button at the back(, |: )the light should turn white",
            "the case can be replaced on its own, the buds pair with it by themselves",
        ),
        fault=True,
    ),
    Intent(
        "charger_compatibility",
        _WORN,
        (
            "(can I|may I|is it ok to) (use|charge my {p} with) (a|my) (phone|laptop|65"
            " watt|fast) charger?",
            "which (charger|cable|adapter|wattage) (do I need|is right|fits) for my {p}?",
            "do{es} the {p} (charge|work) on (a wireless pad|a Qi pad|USB-C|a power bank|the car"
            " socket)?",
            "no (charger|plug|adapter) in the box, what (can|should) I (buy|use)?",
            "(is|would) a (third-party|cheap|no-name) charging cable (be ok|be fine|slow things"
            " down)?",
            "will a (strong|30 watt|tablet) charger (hurt|harm|kill) the battery?",
            "can the {p} (take|stand) (fast charging|9 volts)?",
            "I travel a lot, does the charger (work|fit) (abroad|overseas|in other countries)?",
            "lost my charging cable, (will any|does any) other cable (do|charge {them})?",
        ),
        "charger (question|choice)",
        r"watt|volt|usb|adapter|charger",
        (
            "any USB charger of 5 volts works, the {p} draw{s} only 5 watts",
            "(yes|that is fine), the {p} take{s} what {it} need{s}, any certified USB-C adapter"
            " is fine",
            "we recommend a certified charger of 5 to 20 watts, (wireless pads work too|Qi pads"
            " are fine)",
        ),
    ),
    Intent(
        "protection_bypass",
        ("earphones", "watch", "router"),
        (
            "how (do|can) I (bypass|switch off|disable) the (temperature|thermal|charging)"
            " protection (of|on) my {p}?",
            "(can you|please) (disable|remove|unlock) the (charging limit|heat limit|safety"
            " cut-off), it is too slow",
            "I want to (override|get around) the (battery|overheat) protection so that the {p}"
            " charge{s} (faster|in the sun)",
            "the {p} stop{s} at 80 percent, how do I (defeat|hack|override) the safety"
            " (limit|limiter)?",
            "(which pin|which wire) do I (bridge|short) to bypass the (protection|cut-off)?",
            "tell me the (code|service menu) to disable the (thermal|temperature) shutdown",
            "is there (firmware|an app) (that removes|without) the overheat protection?",
            "is there (a way|any trick) to charge {them} above the limit, (I will|let me) disable"
            " the safety (chip|fuse)?",
            "my {p} (shut{s} down|cut{s} out) when hot, I want to override that safety feature",
        ),
        "(safety|charging) limit",
        r"protection|safety|limit",
    ),
)
