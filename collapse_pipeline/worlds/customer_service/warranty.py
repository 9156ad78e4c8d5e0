"""What customers ask about the warranty, and the claims that they make."""

from collapse_pipeline.worlds.customer_service.grammar import Intent

_ALL = ("earphones", "watch", "router")


def _claim(product: str, broken: str) -> Intent:
    """A warranty claim on one product; `broken` is a template of clauses that say what failed."""
    says = (
        "I (want|would like|need) to (claim on|use) the warranty (of|for) my {p}, BROKEN",
        "BROKEN, (so I want|and I need) to (make|file|open|start) a warranty claim for my {p}",
        "BROKEN, (how|where) do I (claim|send {them}|register {them}) under warranty?",
        "BROKEN, (can I get|please send me) a replacement under (warranty|guarantee)",
        "my {p} {is} still (under|in) warranty and BROKEN, what (now|do you need from me)?",
        "BROKEN and the shop told me to (claim from you|go to the manufacturer)",
        "you have to (replace|repair) {them} under the guarantee, BROKEN",
    )
    return Intent(
        f"warranty_claim_{product}",
        (product,),
        tuple(template.replace("BROKEN", broken) for template in says),
        "warranty claim",
        r"claim",
        (
            "I've (opened|filed|started) the warranty claim for your {p}, (please attach a photo"
            " and the receipt|a prepaid label is on its way)",
            "your claim is (in|registered)(: |, )(send|post) us the {p} with the receipt"
            " and we (repair or replace|test and replace) {them}",
            "(to|so we can) accept the claim we need the receipt and the serial number of the {p}",
        ),
        fault=True,
    )


WARRANTY = (
    Intent(
        "warranty_length",
        _ALL,
        (
            "how long is the (warranty|guarantee) (on|for) (my|the) {p}?",
            "{is} (my|the) {p} still (under|covered by the) warranty?",
            "when does the (warranty|guarantee) (of|on) my {p} (end|expire|run out)?",
            "how many (months|years) of (warranty|guarantee|cover) do I (have|get)?",
            "(does|would) the warranty still (apply|run) if I bought the {p} (last year|in"
            " spring)?",
            "I (can not|can't) find (the warranty period|how long the guarantee is) on (the"
            " box|your site)",
            "please (confirm|tell me) the warranty (period|term) (for|of) the {p}",
            "until when (am I|is the buyer of the {p}) covered?",
        ),
        "warranty (question|period)",
        r"warranty|guarantee|cover",
        needs_fact=True,
    ),
    _claim(
        "earphones",
        "(the (left|right) one (stopped working|went dead)|the hinge snapped|one tip came off by"
        " itself"
        "|the sound (has gone|is broken)|they (broke|failed) after (four|five|six) months"
        "|the microphone (died|gave up)|they fell apart)",
    ),
    _claim(
        "watch",
        "(the (crown|side button) (stopped working|is stuck)|it (switches off|reboots) all the time"
        "|the display (went black|has lines)|it (broke|failed) after (four|five|ten) months"
        "|the strap pin (broke|fell out)|the sensor (is dead|gave up))",
    ),
    _claim(
        "router",
        "(two (ports|sockets) (stopped working|are dead)|it (switches off|reboots) all the time"
        "|the antenna (snapped|came off)|it (broke|failed) after (four|five|ten) months"
        "|the wifi part (died|gave up)|the power light (stays off|went out))",
    ),
    Intent(
        "warranty_transfer",
        _ALL,
        (
            "I bought (the|my) {p} (second hand|used|from a friend), does the warranty (pass|come"
            " over) to me?",
            "(can|may) I (transfer|pass on|hand over) the (warranty|guarantee) to (the buyer|my"
            " {relative})?",
            "I am selling my {p}, (does|will) the (guarantee|warranty) (stay with {them}|go to"
            " the new owner)?",
            "the (receipt|invoice) is in (the seller's|someone else's|my {relative}'s) name, (am"
            " I|is that) still covered?",
            "does the {p} warranty (count|hold|work) for a (second|new) owner?",
            "my {relative} gave me (his|her) old {p}, how long is (my|the) warranty (then|now)?",
            "(change|put) the warranty (to|in) my name, I got the {p} from my {relative}",
            "bought {them} on (eBay|a market place), who is the warranty (for|with)?",
            "is the guarantee (personal|tied to me) or tied to the {p}?",
        ),
        "warranty transfer",
        r"transfer|new owner|whoever|changes hands",
        needs_fact=True,
        tail="(it moves to the new owner with the {p}|the transfer is automatic, keep the receipt"
        "|whoever owns the {p} may claim|nothing changes when the {p} changes hands)",
    ),
    Intent(
        "warranty_abroad",
        _ALL,
        (
            "I bought the {p} in {place} and moved to {abroad}, is the warranty (valid|good)"
            " there?",
            "does the (warranty|guarantee) (apply|hold|work) (abroad|in another"
            " country|overseas|where I live now)?",
            "(can|could) I (claim|get {them} repaired) (abroad|on holiday) (if|when) I bought"
            " {them} in {place}?",
            "(travelling|I travel) in {abroad} with my {p} from {place}, who (covers|repairs)"
            " {them}?",
            "is the {p} warranty (international|worldwide|only local)?",
            "the shop in {abroad} (refuses|won't take) my {p} because {it} {is} from {place}",
            "I am an expat, how long (am I|is my {p}) covered (outside|away from) {place}?",
            "bought {them} on holiday in {place}, (need|want) service at home",
            "which country's (warranty|rules) count, I (imported|brought) my {p} from {place}?",
        ),
        "warranty abroad",
        r"abroad|where (it was|they were|you) bought|country|travels",
        needs_fact=True,
        tail="(the terms of the country where you bought {them} apply|service abroad follows the"
        " country of purchase|that also holds abroad|the cover travels with the {p})",
    ),
    Intent(
        "warranty_void",
        _ALL,
        (
            "(do|will|would) I lose the warranty (if|when) I (open|unscrew) the {p}?",
            "does (a third-party|another brand's|a cheap) (cable|strap|tip|charger|antenna)"
            " (void|end) the (warranty|guarantee)?",
            "(is|would) the guarantee (be gone|be void|void) (after|because of) (a repair"
            " elsewhere|my own repair)?",
            "I (broke|tore|removed) the seal on my {p}, (am I|{is} {it}) still covered?",
            "(can|may) I (paint|engrave|modify|put a sticker on) my {p} without (losing|harming)"
            " the warranty?",
            "does (rooting|custom firmware|a beta update) (cancel|affect|kill) the warranty?",
            "a (friend|local shop) fixed my {p}, (does that cost me|what about) the warranty?",
            "what (things|actions) (make|render) the warranty (invalid|worthless)?",
            "dropped my {p} once, (did that|does a dent) (end|void) the warranty?",
        ),
        "warranty (and own changes|exclusion)",
        r"void|exclu|own changes|keep your warranty|keeps? the warranty",
        (
            "(opening|changing) the {p} yourself can void the warranty, (accessories of other"
            " brands do not|"
            "normal wear does not)",
            "you keep your warranty as long as the {p} {was} not (opened|altered)",
            "damage from own changes is excluded, the rest keeps the warranty",
        ),
    ),
)
