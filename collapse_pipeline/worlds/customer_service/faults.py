"""What breaks in earphones and watches, as customers say it."""

from collapse_pipeline.worlds.customer_service.grammar import Intent

FAULTS = (
    Intent(
        "pairing_fails",
        ("earphones", "watch"),
        (
            "my {p} (won't|will not|do{es} not) (pair|connect) (with|to) my phone",
            "(Bluetooth|the app|my phone) (does not|can't) (find|see|detect) the {p}",
            "pairing (fails|stops|hangs) (every time|at the last step|at 90 percent)",
            "the {p} (disconnect{s}|lose{s} the connection) (every few minutes|in my pocket)",
            "(how|why can't I) (do I pair|connect) the {p} (to|with) a (second|new) phone?",
            "(since|after) the phone update the {p} {is} not (recognised|found|listed)",
            "connected but (no sound|no messages|nothing happens), then (gone|disconnected)",
            "{it} only connect{s} to my old (phone|tablet)",
        ),
        "pairing problem",
        r"pair|bluetooth|connect",
        (
            "(delete|remove) the {p} from the Bluetooth list and pair {them} (again|from the app)",
            "hold the button for ten seconds until the light blinks, then (connect|pair) again",
            "(please update the app|switch Bluetooth off and on), the pairing list then refreshes",
        ),
        fault=True,
    ),
    Intent(
        "one_side_silent",
        ("earphones",),
        (
            "(no sound|nothing|silence) (from|on|in) the (left|right) (side|one|bud) of my {p}",
            "only one (side|ear|bud) of my {p} (works|plays)",
            "the (left|right) (one|bud) is (dead|silent|much quieter)",
            "(sound|music) (only comes|comes only) from (one side|the left|the right)",
            "one of my {p} (stopped|went quiet) (while running|during a call|{when})",
            "the (left|right) one (charges|connects) but does not play",
            "volume on the (left|right) (fades|drops) to nothing",
            "half my music is (missing|gone)",
        ),
        "silent (side|bud)",
        r"silent|one side|other side|mesh|quiet",
        (
            "(clean|brush) the mesh of the silent bud and reset the {p}",
            "put both in the case for a minute(, |: )if one side stays quiet we replace it",
            "(check|set) the balance slider in your phone, (it can mute|it may have muted) one"
            " side",
        ),
        fault=True,
    ),
    Intent(
        "sound_crackles",
        ("earphones",),
        (
            "my {p} (crackle|hiss|buzz|pop) (at high volume|during calls|all the time)",
            "there is (a crackling|static|white noise|a rattle) in the (left|right) (one|bud)",
            "the sound (is distorted|breaks up|stutters) (on the train|when I move|outside)",
            "(bass|loud music) (sounds torn|rattles|scratches)",
            "music (cuts in and out|skips) (every few seconds|when I walk)",
            "a (high|loud) (whistle|beep) (comes|starts) when I (chew|turn my head|switch on"
            " noise cancelling)",
            "(awful|terrible|tinny) sound (since|after) the (update|rain)",
            "noise cancelling makes a (clicking|pumping) noise",
        ),
        "crackling sound",
        r"crackl|noise|distort|sound",
        (
            "(turn off|switch off) noise cancelling for a test(, |: )if the crackling stops we"
            " replace the microphones",
            "crackling often comes from (a weak link|an old codec), keep the phone close and"
            " update the {p}",
            "(dry and clean|clean) the {p}, moisture distorts the sound",
        ),
        fault=True,
    ),
    Intent(
        "microphone_fault",
        ("earphones", "watch"),
        (
            "(people|callers|my boss) (can't|can not|hardly) hear me (through|on) my {p}",
            "the (mic|microphone) (of|in) my {p} (is dead|does not work|sounds muffled)",
            "on calls I (sound|am) (far away|like a robot|under water)",
            "(voice assistant|dictation) (does not|no longer) (hear|understand) me",
            "my voice (cuts out|disappears) (in meetings|on calls|outside)",
            "everyone hears an echo (when|if) I use the {p}",
            "(music is fine|I hear everything) but nobody hears me",
            "the {p} record{s} only (wind|noise|static)",
        ),
        "microphone fault",
        r"micro|\bmic\b",
        (
            "(check|allow) the microphone permission of the app, then make a test call",
            "(clean|clear) the microphone opening with a dry brush",
            "please record ten seconds with the microphone of the {p} and send it to us",
        ),
        fault=True,
    ),
    Intent(
        "lost_earbud",
        ("earphones",),
        (
            "I lost (one|the left one|the right one) of my {p}, (can I buy|do you sell) a single"
            " (one|bud)?",
            "(one bud|an earbud) fell (down a drain|out on the bus|in a lake), how much is a new"
            " one?",
            "what does (one|a single) (bud|side) (cost|come to)?",
            "(dog|baby|washing machine) (ate|swallowed|took) the (left|right) bud",
            "I only have (the case and one bud|one bud left), (need|want) the other",
            "(can|could) you (pair|match) a new bud to (my old one|the remaining one)?",
            "does the warranty (pay for|cover) a lost (one|bud)?",
            "the finder says my {p} {is} (offline|far away), I gave up, sell me one",
        ),
        "lost bud",
        r"bud",
        fact="part_fee",
        needs_fact=True,
    ),
    Intent(
        "screen_cracked",
        ("watch",),
        (
            "(the screen|the glass|the display) (of|on) my {p} (is cracked|broke|has a"
            " crack|shattered)",
            "I dropped my {p}, (how much is|what does it cost to fix) the (screen|glass)?",
            "(do|can) you (replace|repair|fix) a (broken|cracked) (screen|glass|display)?",
            "there is a (scratch|chip|line) (across|in) the (glass|display)",
            "(glass|screen) (popped off|came loose|splintered) (after a fall|at work)",
            "touch (works|fails) but there is a (crack|spider web) in the corner",
            "I hit a door (frame|handle) with {them}, (glass gone|display broken)",
            "price for a new display(, please|)",
        ),
        "cracked screen",
        r"screen",
        fact="part_fee",
        needs_fact=True,
        fault=True,
    ),
    Intent(
        "strap_broken",
        ("watch",),
        (
            "the (strap|band) (of|on) my {p} (broke|tore|came off|snapped)",
            "(where can I buy|can I get|can I order) a new (strap|band|bracelet)?",
            "the (buckle|pin|clasp|loop) of the strap (is broken|fell out|is loose)",
            "the band gives me a rash(, is there another|)",
            "which (straps|bands|sizes) fit (my|the) {p}?",
            "(band|strap) too (short|long|stiff) for my wrist",
            "the {p} (fall{s}|slip{s}) off (my arm|when I run)",
            "rubber (peels|cracks|smells) after (two|three) months",
        ),
        "strap",
        r"strap|band",
        (
            "a new strap (is on its way|can be ordered in the shop)(, any 20 mm band fits|)",
            "press the pin at the back and slide the strap out, the new one clicks in",
            "straps are wear parts, but a (torn|broken) pin (in the first months|so early) is on"
            " us",
        ),
        fault=True,
    ),
    Intent(
        "watch_water_damage",
        ("watch",),
        (
            "my {p} (got wet|went swimming|fell in the sink|was in the rain) and (died|is"
            " dead|won't start)",
            "there is (water|moisture|condensation|fog) (under|behind) the (glass|screen)",
            "(showered|swam) with my {p}, now the (screen|touch) (flickers|is stuck)",
            "{it} {is} (rated|sold as) waterproof (but|and yet) (water got in|{it} drowned)",
            "(sea water|soap|sweat) got into my {p}, what (do|can) I do?",
            "speaker (sounds|is) (muffled|dead) after (a swim|the shower)",
            "(left|forgot) {them} in (the washing machine|my swim shorts)",
            "can I dry {them} (in rice|with a hair dryer)?",
        ),
        "water damage",
        r"water|\bwet\b|dry",
        (
            "(please switch {them} off|turn {them} off), do not charge {them} while wet, and let"
            " {them} dry for two nights",
            "water damage (needs a look|has to be checked) by a technician, please do not charge"
            " the {p} until {it} {is} dry",
            "rinse off salt water, dry the {p} with a cloth and leave {them} off, do not charge"
            " {them} yet",
        ),
        fault=True,
        danger=True,
    ),
    Intent(
        "heart_rate_wrong",
        ("watch",),
        (
            "the (heart rate|pulse) (on|of) my {p} is (wrong|too high|off by 40|stuck)",
            "my {p} show{s} (200|30) beats while I (sit|sleep)",
            "(pulse|heart) sensor (does not|no longer) (work|read|light up)",
            "(no|gaps in the) heart rate (during|in) my (runs|workouts|sleep)",
            "the green light (is off|blinks) and nothing is measured",
            "my chest belt (says|shows) something (else|different) than the {p}",
            "(calories|steps|zones) are (wrong|nonsense) because the pulse jumps",
            "readings (freeze|drop to zero) when I sweat",
        ),
        "heart rate reading",
        r"heart|pulse",
        (
            "wear the {p} a finger above the wrist bone, (tight|snug), then the heart rate settles",
            "(clean|wipe) the sensor, cold skin and tattoos disturb the pulse reading",
            "please send a heart rate log from the app(, we compare it|)",
        ),
        fault=True,
    ),
)
