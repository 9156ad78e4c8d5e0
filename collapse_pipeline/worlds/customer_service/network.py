"""What fails in routers and in updates, as customers say it."""

from collapse_pipeline.worlds.customer_service.grammar import Intent

NETWORK = (
    Intent(
        "wifi_drops",
        ("router",),
        (
            "the (wifi|connection|internet) (drops|cuts out|disconnects) (every hour|every"
            " evening|all the time)",
            "my {p} (lose{s}|drop{s}) the (signal|connection) (several times a day|since the"
            " update)",
            "we (keep losing|lose) (wifi|internet) (in the bedroom|during calls|at night)",
            "every (ten|twenty) minutes (no internet|the network is gone), then it (comes back|is"
            " back)",
            "my (laptop|phone|TV) (gets thrown off|keeps disconnecting from) the {p}",
            "video calls (freeze|break off), then the wifi (returns|is fine again)",
            "the {p} (restart{s}|reboot{s}) by itself( and we are offline|)",
            "unstable (network|line|wifi), (provider|ISP) says it is the {p}",
        ),
        "connection drops",
        r"drop|channel|connection",
        (
            "(set|change) the wifi channel to 1, 6 or 11, (drops often come|most drops come) from"
            " a neighbour's network",
            "(restart|reset) the {p} and (move|place) {them} in the open, then watch if the"
            " connection drops again",
            "please send the log of the {p} from the last drop",
        ),
        fact="repair_days",
        fault=True,
    ),
    Intent(
        "wifi_slow",
        ("router",),
        (
            "the (wifi|internet) (is|has become) (very|terribly|so) slow",
            "I (get|only get|measure) (10|20|5) (Mbit|megabits) (over|on) wifi (instead of"
            " 500|but full speed by cable)",
            "my {p} {is} slow (in the evening|upstairs|since the update)",
            "(downloads|streams|games) (crawl|buffer|lag) (over|on) the {p}",
            "speed (drops|falls) (by half|to nothing) in the next room",
            "I pay for a gigabit and (get|see) a tenth",
            "cable is (fast|fine), wireless (is not|crawls)",
            "(how can I|can I) (speed up|make faster) my {p}?",
        ),
        "slow wifi",
        r"slow|speed|fast|band",
        (
            "connect to the 5 GHz band for speed, the 2.4 GHz one is (slow|slower) but reaches"
            " further",
            "(run|please run) a speed test by cable and (one|another) by wifi and send both",
            "slow wifi upstairs (calls for|needs) a second mesh point",
        ),
        fact="return_days",
        fault=True,
    ),
    Intent(
        "router_no_power",
        ("router",),
        (
            "my {p} {is} (dead|completely dead), no (lights|lamp|LED)",
            "the {p} (won't|does not) (turn on|switch on|power up|start)",
            "(power|the red) light (is off|blinks) (and nothing else|after the storm)",
            "(after|since) the (power cut|thunderstorm) the {p} (do{es} nothing|{is} gone)",
            "no sign of life (from|in) the {p}(, tried two sockets|)",
            "the (power adapter|plug|mains unit) (hums|is dead|broke)",
            "button pressed for (ten|thirty) seconds, (stays dark|nothing)",
            "{it} switch{es} off after (a minute|a few seconds) and (stays|is) off",
        ),
        "power fault",
        r"power|adapter|light",
        (
            "(try|please try) another socket and the original power adapter, (then hold"
            " reset|then wait a minute)",
            "a dead power adapter is the usual cause, (we send a new one|the light on it should"
            " be green)",
            "if no light comes on the {p} {has} to come in for a check of the power circuit",
        ),
        fact="part_fee",
        fault=True,
    ),
    Intent(
        "router_overheats",
        ("router",),
        (
            "my {p} (get{s}|become{s}|{is}) (very|extremely|really|so) hot",
            "the {p} (overheat{s}|run{s} hot) and (then switch{es} off|the wifi slows"
            " down|drop{s})",
            "(burning|plastic|hot) smell (from|near) the {p}",
            "you could fry an egg on my {p}",
            "(is it normal|is it safe) that the {p} (feel{s}|{is}) (this warm|too hot to touch)?",
            "temperature (warning|alarm) in the (admin page|app)",
            "(fan|vents) (blocked|silent) and the case (burns|is melting)",
            "shut{s} down in (summer|the afternoon), back (when cool|at night)",
            "the (shelf|wall) under {them} is (brown|scorched|warm)",
        ),
        "overheating",
        r"hot|heat|cool|warm",
        (
            "(please unplug|unplug) the {p}, let {them} cool for an hour and keep the vents"
            " clear; if {it} get{s} hot again do not use {them}",
            "that heat is not normal(, |: )unplug the {p} and do not use {them} until we checked"
            " {them}",
            "unplug the {p} now, a smell means overheating, we exchange {them}",
        ),
        fault=True,
        danger=True,
    ),
    Intent(
        "firmware_fails",
        ("router", "watch", "earphones"),
        (
            "the (firmware|software) update (of|on|for) my {p} (fails|stops|hangs) (at 80"
            " percent|every time|with an error)",
            "my {p} {is} stuck (on the logo|in an update|on the boot screen)",
            "(how|where) (can I|do I) (download|get|install) the (newest|old) firmware (for|of)"
            " the {p}?",
            "update (error|failed) (code|number) (12|45|E3)",
            "(since|after) version (2.1|3.0|4.2) (nothing works|everything is slow), (roll"
            " back|downgrade) please",
            "the app (says|shows) update available but (never|does not) (install{s}|finish)",
            "my {p} {is} bricked (by|after) the (update|upgrade)",
            "battery full, app open, update (still|again) (refused|cancelled)",
        ),
        "update problem",
        r"update|firmware",
        (
            "keep the {p} on power and start the update again from the app",
            "(download|install) the firmware by hand from the support page, then (restart|reset)"
            " the {p}",
            "that update was withdrawn, the next firmware (comes|is due) this week",
        ),
        fault=True,
    ),
)
