"""What customers ask about returns, refunds and repairs."""

from collapse_pipeline.worlds.customer_service.grammar import Intent

_ALL = ("earphones", "watch", "router")

ORDERS = (
    Intent(
        "return_window",
        _ALL,
        (
            "how (long|many days) do I have to (return|send back) (my|the) {p}?",
            "what is the return (window|period|deadline|policy) for the {p}?",
            "(can|may) I still (return|send back|give back) (my|the) {p} (next week|after the"
            " holidays)?",
            "(until|by) when (can|must) I (send|bring) {them} back?",
            "is there a (trial|cooling-off) period (on|for) the {p}?",
            "I am (not sure|undecided) about the {p}, how long (can I try|may I keep) {them}?",
            "do the (days|return days) count from (delivery|the order)?",
            "when is the last day (for|of) a return?",
        ),
        "return (window|deadline)",
        r"return|sen[dt] .*back",
        fact="return_days",
        needs_fact=True,
    ),
    Intent(
        "return_start",
        _ALL,
        (
            "I (want|would like) to (return|send back) my {p}",
            "(how|where) do I (start|arrange|request) a return( for my {p}|)?",
            "please (take back|collect) the {p}, I (changed my mind|do not like {them}|expected"
            " more)",
            "send me a return (label|form) for my {p}",
            "the {p} ({is} not for me|do{es} not fit my needs), (money|cash) back please",
            "(not what I ordered|wrong model came), please take {them} back",
            "I (unpacked|tried) the {p} and want to (give {them} back|cancel the purchase)",
            "where (is|do I find) the return (form|address)?",
        ),
        "return request",
        r"return|sen[dt] .*back",
        (
            "I've (set up|created) the return(, the label is in your inbox| for your {p}, print"
            " the label)",
            "(pack|put) the {p} in the box, add the return form and (drop it at|hand it to) any"
            " parcel shop",
            "your return is (approved|open), (the code is|use code) {ticket}",
        ),
        fact="return_days",
    ),
    Intent(
        "return_late",
        _ALL,
        (
            "I (missed|am past) the return (window|deadline) (by|with) (two|three|a few) days,"
            " (can I|may I) still return the {p}?",
            "(can|could) you make an exception, I was (ill|away|in hospital) and (the days ran"
            " out|could not send {them} in time)",
            "the return (date|period) (was|ended) (yesterday|last week), please (still"
            " take|accept) my {p}",
            "bought {them} (four|five|six) months ago, (is it too late|too late) to (return|send"
            " {them} back)?",
            "your site says my return (expired|is closed), (but|though) the parcel (came late|was"
            " delayed)",
            "I (only|just) opened the {p} now, {it} {was} a present, can {it} go back"
            " (late|anyway)?",
            "the (courier|post) picked up my return (late|after the deadline), will you"
            " (refuse|reject) {them}?",
            "is there any (grace|extra time) (on|for) returns?",
            "I know I am (late|over the time) but I want to (return|give back) the {p}",
        ),
        "late return",
        r"late|deadline|exception|has passed|window",
        fact="return_days",
        needs_fact=True,
        tail="(after that we can only make an exception when delivery was delayed|a late return"
        " needs a reason in writing|so the deadline has passed, I can offer a repair instead)",
    ),
    Intent(
        "return_opened_box",
        _ALL,
        (
            "(can|may) I return my {p} (once|after) I opened the (box|packaging)?",
            "is there a (restocking|handling) fee (if|when) the {p} {was} (used|opened|unsealed)?",
            "how much do you (deduct|keep|charge) for (an opened|a used) return?",
            "I (opened|unwrapped|tried) the {p} (once|briefly), do I get (everything|the full"
            " price) back?",
            "the (seal|film) is (broken|off), will you still take the {p} back?",
            "(threw|I threw) away the (box|packaging), (can I|is it possible to) return the {p}?",
            "does an opened box (cost|change) (anything|the refund)?",
            "what (percentage|part) is (lost|kept) when the packaging is (torn|missing)?",
        ),
        "opened-box return",
        r"opened|restocking",
        fact="restocking_percent",
        needs_fact=True,
    ),
    Intent(
        "return_postage",
        _ALL,
        (
            "who pays (the postage|shipping|the courier) (when|if) I (return|send back) my {p}?",
            "(is|are) return (shipping|postage|labels) free( for the {p}|)?",
            "how much (is|does) (it cost|the label) to (send|ship) the {p} back?",
            "do I (have|need) to (pay|buy) (my own|a) (stamp|label|postage)?",
            "(your|the) (courier|post office) wants money for the return parcel, (why|who pays)?",
            "I paid for (sending|shipping) the {p} back, (can|will) you (repay|refund) the"
            " postage?",
            "is a (drop-off|parcel shop) return (cheaper|free)?",
            "what (comes off|is deducted from) my refund for shipping?",
        ),
        "return postage",
        r"postage|courier|shipping|label",
        fact="postage_fee",
        needs_fact=True,
    ),
    Intent(
        "refund_delayed",
        _ALL,
        (
            "(where is|what about|I am still waiting for) my refund( for the {p}|)?",
            "I (returned|sent back) the {p} {when} and (still have no|got no) (refund|money)",
            "how long (does|will) (a|the) refund take?",
            "you (received|got) my {p} but (my card shows no refund|nothing was paid)",
            "(when|by when) do I get my money back( for the {p}|)?",
            "refund (promised|confirmed) {when}, (bank|card|account) shows nothing",
            "the return was (accepted|approved) but not (paid|credited)",
            "only (half|part) of the (money|price) came back",
        ),
        "refund",
        r"refund|money",
        fact="refund_days",
        needs_fact=True,
    ),
    Intent(
        "exchange_request",
        _ALL,
        (
            "(can|could) I (exchange|swap) (my|the) {p} for (another|a different)"
            " (colour|size|model)?",
            "I (want|would like) to (exchange|swap|trade) the {p} for the"
            " (black|white|bigger|newer) (one|ones|version)",
            "wrong (colour|size) (came|arrived), please (exchange|swap) {them}",
            "I ordered (blue|the small size) and got (grey|the large one)",
            "instead of (a refund|money back) I (prefer|want) the other (model|colour)",
            "is a straight (swap|exchange) possible (in store|by post)?",
            "(upgrade|change) my {p} to the (Pro|newer model), I pay the difference",
            "the {p} {is} too (big|small), (do|can) you change {them}?",
        ),
        "exchange",
        r"exchange|swap",
        (
            "I've (arranged|set up) the exchange, the (new|other) {p} leave{s} as soon as yours"
            " arrive{s}",
            "an exchange is (possible|no problem), which (colour|version) would you like?",
            "we (swap|can swap) the {p} (by post|in any store), keep the box",
        ),
        fact="return_days",
    ),
    Intent(
        "repair_status",
        _ALL,
        (
            "(what is the status of|any news on) (my repair|the repair of my {p})?",
            "I sent (in|you) my {p} for repair {when}, (where {is} {it}|what is happening)?",
            "ticket {ticket}, {is} my {p} (repaired|fixed|ready) yet?",
            "the repair (tracker|page) (says|shows) (received|pending) (for days|since {when})",
            "has the (workshop|technician) looked at my {p}( yet|)?",
            "(when|on which day) {does} my repaired {p} (come|ship) back?",
            "I (heard|hear) nothing (about|of) my {p} since you (collected|received) {them} for"
            " repair",
            "did the (spare part|part) for my repair arrive?",
        ),
        "repair",
        r"repair|technician|workshop",
        (
            "your {p} {is} (with|on the bench of) a technician, (you get a message when {it}"
            " ship{s}|"
            "the part arrived today)",
            "the repair is (finished|done), your {p} ship{s} (today|tomorrow)",
            "the repair (waits|is waiting) for a part, I (will|'ll) write as soon as it is here",
        ),
        fact="repair_days",
    ),
    Intent(
        "repair_time",
        _ALL,
        (
            "how long (does|would) (a|the) repair( of my {p}|) take?",
            "(if|when) I send in my {p} for repair, when (do I get|will I have) {them} back?",
            "how many (days|weeks) (am I|will I be) without my {p}( during a repair|)?",
            "do you (repair|fix) the {p} (while I wait|within a week)?",
            "I need the {p} (for work|for a race|every day), is the repair (quick|fast)?",
            "is there an express repair( for the {p}|)?",
            "what is the (usual|normal|average) (repair|turnaround|workshop) time?",
            "do I get a loan device (during|while you do) the repair, how long is it?",
        ),
        "repair time",
        r"repair|workshop",
        fact="repair_days",
        needs_fact=True,
    ),
)
