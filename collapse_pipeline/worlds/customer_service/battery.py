"""What customers say about batteries, dangerous ones included."""

from collapse_pipeline.worlds.customer_service.grammar import Intent

_WORN = ("earphones", "watch")

BATTERY = (
    Intent(
        "battery_drains_fast",
        _WORN,
        (
            "the battery of my {p} (drains|empties|runs down) (far too|way too|very)"
            " (fast|quickly)",
            "my {p} (barely|only just) last{s} (half a day|three hours|until lunch)( on a full"
            " charge|)",
            "why does the battery (die|run out|go flat) (so quickly|after two hours|before lunch)?",
            "battery life (of|on) my {p} (has dropped|is terrible|has halved) (since the"
            " update|lately|out of nowhere)",
            "I (have|need) to (charge|recharge) my {p} (twice|three times) a day",
            "my {p} lose{s} (ten|twenty|thirty) percent (an hour|overnight|while idle)",
            "(dead|flat) by (noon|evening) (even though|although) I charge {them} every night",
            "you (promise|advertise) (ten|thirty) hours, I get (two|four)",
        ),
        "battery drain",
        r"drain|last|battery life|saver",
        (
            "(turn off|switch off) (noise cancelling|the always-on display) and background sync,"
            " (the battery drain should halve|the battery then lasts longer)",
            "battery life (settles|recovers) after two full cycles once an update is installed",
            "please send the battery log, we check whether the drain is (normal|a fault)",
        ),
        fault=True,
    ),
    Intent(
        "battery_percentage_wrong",
        _WORN,
        (
            "my {p} show{s} (80|60|45) percent and then (shut{s} down|die{s}|jump{s} to 3)",
            "the battery (percentage|indicator|reading|meter) (is wrong|jumps around|makes no"
            " sense)",
            "the (app|phone) says (20|90) percent but the {p} {is} (full|empty)",
            "the battery (level|gauge) (drops|leaps) from (60 to 10|100 to 70) (in a second|at"
            " once)",
            "(how do I|can I) (recalibrate|reset|correct) the battery"
            " (reading|display|percentage)?",
            "stuck (at|on) (1|99|50) percent (for days|although I charge {them})",
            "(charge|battery) (icon|bar) never (moves|changes)",
            "{it} claim{s} a full charge, (lasts|dead in) ten minutes, then {it} show{s} half"
            " again",
            "low battery warning (right after|straight after) charging, (yet|but) {it} run{s} for"
            " hours",
        ),
        "battery reading",
        r"calibrat|reading|percentage|indicator",
        (
            "(run the {p} flat|empty the {p}) and charge {them} to full in one go, that"
            " calibrates the reading",
            "the percentage is an estimate(, |: )after an update the indicator needs a few cycles",
            "(reset|reinstall) the app, the reading (comes|is taken) from its cache",
        ),
        fault=True,
    ),
    Intent(
        "battery_swelling",
        _WORN,
        (
            "the battery (of|in) my {p} (is swollen|has swollen|is bulging|looks puffed up)",
            "the (back|cover|lid) of my {p} is (lifting|being pushed out|coming off), I think the"
            " battery (grew|expanded)",
            "(is it dangerous|should I worry) that the battery (is puffy|has a bump|looks like a"
            " pillow)?",
            "there is a (bulge|bump|hump) (under|behind) the cover where the battery sits",
            "something inside (pushes|presses) the (screen|lid|case) (up|open) (after"
            " charging|when warm)",
            "my {p} (got|{is}) (fat|thick|round) and (won't close|do{es} not fit the charger any"
            " more)",
            "can I (pierce|puncture|pop) the swollen battery (to let the gas out|so that {it}"
            " close{s} again)?",
            "how do I (open|cut open|prise open) the battery, it is (bulging|swollen)?",
            "the (charge|charging) (contacts|pins) no longer touch because the cell (bulges|has"
            " grown)",
        ),
        "swollen battery",
        r"swollen|swell|bulg",
        (
            "(please stop using|stop using and do not charge) the {p}, a swollen battery can"
            " catch fire; we (collect|replace) {them}",
            "do not press or charge the swollen {p}, put {them} on stone or metal and we send a"
            " safe box",
            "a bulging cell is a hazard, stop using the {p}, we replace {them} (at once|free of"
            " charge)",
        ),
        fault=True,
        danger=True,
    ),
    Intent(
        "battery_replacement",
        _WORN,
        (
            "how much (would|does) a new battery for my {p} cost?",
            "(can|could|do) you (replace|change|swap) the battery (of|in) my {p}?",
            "the battery is worn out after (two|three) years, I (want|need) a new one (fitted|put"
            " in)",
            "(price|cost) (for|of) (a battery swap|replacing the battery) (on|in) my {p}",
            "do you (sell|fit) (new|replacement|spare) batteries for the {p}?",
            "what do you charge to (fit a fresh battery|put in a new cell)?",
            "is (a|the) battery (change|swap) worth it on my (old|three year old) {p}?",
            "out of warranty, battery tired, what (are my options|will it cost)?",
        ),
        "battery replacement",
        r"battery",
        fact="battery_fee",
        needs_fact=True,
    ),
    Intent(
        "battery_disposal",
        _WORN,
        (
            "how (do|should) I (dispose of|get rid of|throw away) the old battery (of|from) my"
            " {p}?",
            "where can I (recycle|drop off|hand in) (my old {p}|the dead battery|a worn battery)?",
            "can the (old|dead|used) battery go in the (household|normal) (rubbish|bin|waste)?",
            "do you (take back|collect|accept) (old|used|dead) (batteries|devices)?",
            "is there a (recycling|take-back) (scheme|point) for (batteries|broken devices)?",
            "you (replaced|changed) my battery, what do I do with the old one?",
            "I no longer (use|need) my {p}, where {does} {it} go so that the battery (does no"
            " harm|is recycled)?",
            "may I (post|mail|send) you a (dead|swollen) battery for (recycling|disposal)?",
            "what happens to the battery when I (return|send back) my (dead|old) {p}?",
        ),
        "battery (recycling|disposal)",
        r"recycl|dispos|collection|waste",
        (
            "(bring|take) the old battery to any (recycling|collection) point, never (put|throw)"
            " it in household waste",
            "we take the old {p} back for recycling, (ask for a free box|any shop has a"
            " collection box)",
            "tape over the contacts and hand it in for recycling, please do not post a loose"
            " battery",
        ),
        fact="battery_fee",
    ),
)
