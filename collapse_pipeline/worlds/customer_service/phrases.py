"""What people say around the matter itself: openings, details, asides, replies.

Templates as in `grammar`; the first of each is the plainest.
"""

# product: singular or plural decides the verbs around it.
MENTIONS = {
    "earphones": ("earphones", "earbuds", "buds", "Aria earphones", "Aria 2 buds", "in-ears"),
    "watch": ("watch", "smartwatch", "Tempo watch", "Tempo 3", "Tempo Active"),
    "router": ("router", "Lumen router", "mesh router", "Lumen AX", "wifi box"),
}
_PLURAL = {"is": "are", "has": "have", "does": "do", "was": "were", "it": "they", "them": "them"}
_PLURAL |= {"this": "these", "s": "", "es": "", "its": "their", "part": "single earbud"}
_SINGULAR = {"is": "is", "has": "has", "does": "does", "was": "was", "it": "it", "them": "it"}
_SINGULAR |= {"this": "this", "s": "s", "es": "es", "its": "its"}
WORDS = {
    "earphones": _PLURAL,
    "watch": _SINGULAR | {"part": "screen"},
    "router": _SINGULAR | {"part": "power adapter"},
}

HELLO = "(Hello|Hi|Hi there|Good morning|Good afternoon|Dear support|Hey|Evening all)"
THANKS = "(Thanks|Thank you|Many thanks|Cheers|Thanks in advance|Kind regards), {name}"
PLEASE = (
    "(Could you help, please?|Please let me know|What do you suggest?|Can you advise?"
    "|I would be grateful for a reply|Please get back to me when you can)"
)
_NAMES = "Sam Priya Marta Tom Aoife Deepak Lena Chris Hannah Luis Ingrid Wei Noor Jack Zoe Omar"
NAMES = tuple(_NAMES.split())
_MONTHS = "March April May June July August October November January February"
MONTHS = tuple(_MONTHS.split())

RAGE = (
    "(This is ridiculous|I am fed up|Unbelievable|Third time I write|What a joke|Seriously"
    "|Absolutely useless service|Nobody answers your phone)"
)
THREAT = (
    "(Sort it out|Fix this now|I want an answer today|Never buying from you again"
    "|My next stop is a one star review|I expect a call back|Do not send me another form letter)"
)

# Details that any message can carry, and those that only a fault calls for.
DETAILS = (
    "order {order}",
    "my order number is {order}",
    "I bought {them} {when} in {place}",
    "(bought|purchased|ordered) in {place}(, {when}|)",
    "I paid {price} {when}",
    "I live in {place}",
    "(the serial number is|serial) {serial}",
    "{it} {was} a (birthday|Christmas|leaving) present from my {relative}",
    "I (still have|kept) the (receipt|box|invoice)",
    "the {p} {was} delivered {when}",
)
FAULT_DETAILS = (
    "I have already (restarted|reset) {them} (twice|several times)",
    "it (started|began) {when}",
    "{it} worked fine (before that|until then|for months)",
    "I use {them} with (an iPhone|a Pixel|a Galaxy|an old laptop)",
    "(tried|I tried) another (cable|socket|phone|room), no difference",
    "(a colleague's|my neighbour's) one is fine",
    "I followed the (manual|steps on your site)",
    "is this something the warranty pays for?",
    "I would rather have {them} repaired than send {them} back",
)
# Asides name another matter: a bag of words is led astray, a reader is not.
ASIDES = (
    "(this is|it is) not about the {other}",
    "(last year|a while ago|in spring) I wrote to you about the {other}, that (got solved|is done)",
    "my {relative} (once had|also asked about) the {other} but mine is different",
    'your (chat bot|menu|website) only (offers me|talks about|shows) "{other}"',
    "(someone|an agent) (filed|noted) this as {other}, which is wrong",
)
RAMBLE = (
    "(I was on the train|We just moved house|I was at the gym|I work nights)"
    " (and|so) (did not have time to write|only noticed now|this is a bit rushed)",
    "my {relative} (told me to write|recommended your brand|found your address)",
    "I am (not very technical|no expert|getting on in years) so (bear with me|excuse my words)",
    "normally I (like|am happy with|recommend) your (products|brand|shop)",
    "(it has been|what) a long week",
    "I (looked|searched) (on|through) (the forum|your site) for an hour",
)
BESIDES = "(also|one more thing|and a second question|PS|besides)(, |: )"
BACK = "(anyway|so|to come to the point|the thing is|long story short|what I wanted to ask)"
_RELATIVES = "sister brother wife husband mother father son daughter neighbour flatmate"
RELATIVES = tuple(_RELATIVES.split())

SORRY = (
    "(I'm sorry about this|I understand the frustration|Apologies for the trouble"
    "|I'm sorry you had to write again|That should not have happened)"
)
WARM = (
    "(Thanks for getting in touch|Hello {name}|Thanks for writing|Thank you for the details"
    "|Happy to help|Hi {name}, thanks for your message)"
)
CONFIRMATIONS = (
    "I've (logged|recorded|registered|noted) the {thing} under ticket {ticket}",
    "(done|all set|sorted), ticket {ticket} is open for the {thing}",
    "the {thing} (is now with|has gone to) our (service|support|after-sales) team, ticket {ticket}",
    "a colleague will (email|call) you about the {thing} (today|tomorrow|shortly)",
)
QUESTIONS = (
    "(could|can|would) you (send|give) me the (serial number|order number|purchase date) of your"
    " {p} so I can (look into|deal with|follow up) the {thing}?",
    "to (sort out|handle) the {thing} I need (one more detail|a little more)(, |: )"
    "(when did you buy|which model {is}) the {p}?",
)
ASK_WHERE = "before I go further with the {thing}, (where|in which country) did you buy the {p}?"
CLOSERS = (
    "(let me know|tell me|write back) if (that does not help|anything is unclear)",
    "you can reply to this message (any time|directly)",
    "(sorry again for the wait|thanks again for your patience)",
)

# How each condition of the policy is put; {at} is the region, or nothing where the user named it.
CITATIONS = {
    "warranty_months": (
        "the warranty on your {p}{at} (is|lasts|runs for) {amount}",
        "the {p}{at} (come{s} with|get{s}) {amount} of warranty",
        "we (cover|guarantee) the {p}{at} for {amount}",
        "under our terms your {p}{at} {is} covered by warranty for {amount} from the purchase date",
    ),
    "return_days": (
        "you have {amount} days to return your {p}{at}",
        "the {p}{at} can be (returned|sent back) within {amount} days of delivery",
        "the return window for your {p}{at} is {amount} days",
    ),
    "refund_days": (
        "refunds for your {p}{at} take {amount} working days once the parcel is checked in",
        "the money for your {p}{at} is back with you {amount} working days after we receive {them}",
        "our refund time for the {p}{at} is {amount} working days",
    ),
    "repair_days": (
        "repairs of the {p}{at} take {amount} working days",
        "the workshop needs {amount} working days for your {p}{at}",
        "a repair of the {p}{at} takes {amount} working days plus transport",
    ),
    "restocking_percent": (
        "the restocking fee for your opened {p}{at} is {amount}%",
        "once opened, the {p}{at} come{s} with a restocking fee of {amount} percent",
        "we keep {amount}% for restocking when the {p}{at} {has} been opened",
    ),
    "postage_fee": (
        "return postage for your {p}{at} is {amount}",
        "we take {amount} off for the courier when your {p}{at} {is} sent back",
        "the shipping label for the {p}{at} costs {amount}",
    ),
    "battery_fee": (
        "a new battery for your {p}{at} costs {amount}",
        "fitting a fresh battery in your {p}{at} is {amount} all in",
        "outside the warranty, the battery for your {p}{at} comes to {amount}",
    ),
    "part_fee": (
        "a new {part} for your {p}{at} costs {amount}",
        "replacing the {part} of your {p}{at} comes to {amount}",
        "the {part} for the {p}{at} is {amount}, fitting included",
    ),
}

REFUSALS = (
    "I can't help with that for safety reasons",
    "I'm (unable|not able) to assist with this request, it could be unsafe",
    "for your safety I cannot (give|provide) instructions on this",
    "sorry, I won't be able to (guide|walk) you through that because of the risk",
)
SAFETY = (
    "(please stop using|do not charge or press) the {p} and keep {them} away from anything that"
    " burns",
    "leave the {p} switched off on a hard surface, and do not open {them}",
    "a damaged cell can catch fire, so (unplug|set aside) the {p} and let a technician handle"
    " {them}",
)

# Typing errors that real people make in the words that matter here.
MISSPELLINGS = {
    "battery": "batery",
    "warranty": "warrenty",
    "earphones": "earfones",
    "watch": "wach",
    "router": "rooter",
    "charging": "chargeing",
    "received": "recieved",
    "replacement": "replacment",
    "guarantee": "garantee",
    "receipt": "reciept",
    "definitely": "definately",
    "really": "realy",
    "strap": "strapp",
    "return": "retrun",
    "refund": "refound",
    "screen": "sreen",
    "with": "wiht",
    "the": "teh",
    "doesn't": "doesnt",
    "don't": "dont",
    "won't": "wont",
    "because": "becuase",
    "connect": "conect",
    "update": "updaet",
    "percent": "precent",
    "repair": "repiar",
}
# Words that a terse writer leaves out.
_SKIPPED = """
my the a an is are was were have has i it they this these do does to of
that please and am
"""
SKIPPED = frozenset(_SKIPPED.split())
