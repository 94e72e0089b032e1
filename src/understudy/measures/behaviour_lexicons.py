"""Small word lists, by language, from which behaviours are read: English and Chinese, written for this project.

A list is matched on lower-cased text with straight apostrophes and without the space that tokenisers put before
`n't` and `'s`. Entries are regular expressions in Rust syntax; `EXCEPT` holds readings that do not count.
"""

from __future__ import annotations

# Found in English and in no close neighbour: what an English corpus is recognised by.
ENGLISH_MARKS = "the and you to it for that my what have with this are your how would can i i'm it's please thanks yes"
# Words that carry no topic.
FUNCTION_WORDS = frozenset(
    (  # noqa: SIM905
        "a about all also am an and any are as at be been being but by can could did do does don't down each "
        "for from had has have he her here him his how i i'd i'll i'm i've id if im in into is it it's its "
        "ive just let's may me might more most must my no nor not of off on only or other our out over own "
        "same shall she should so some such than that that's the their them then there there's these they "
        "this those to too up us very was we were what when where which who whom why will with would you "
        "you're your"
    ).split()
)
UNSPACED_FUNCTION = frozenset(
    "一不与个为么之也了于什他以们会你及可吗吧呀呢和啊在她它对就很怎您想我或把是有的给能被要让请还这那都"
)

_EN: dict[str, str] = {
    "hedges": (
        r"maybe|perhaps|probably|possibly|potentially|presumably|apparently|somewhat|roughly|"
        r"i (?:really )?think|i guess|guess so|i suppose|i assume|i believe|i feel like|i'd say|might|kinda|"
        r"sorta|kind of|sort of|(?:i'm |im |am )?not (?:really |quite |entirely |exactly |100% )?(?:sure|"
        r"certain)|no idea|unsure|seems?|seemed|or so|or something|or whatever|or anything|more or less|"
        r"pretty much|a bit|i was wondering|(?:around|about|approximately) \d[\d:.]*|approximately|sometime|"
        r"as far as i (?:know|can tell)|if i remember|i could be wrong|not that i know|could be|in a way|"
        r"hopefully|idk|dunno"
    ),
    "boosters": (
        "very|really|so much|absolutely|definitely|totally|completely|extremely|certainly|obviously|"
        "clearly|of course|for sure|literally|super|highly|surely|always|never|truly|incredibly|exactly|"
        "especially|indeed|without (?:a )?doubt|no doubt|undoubtedly|a lot|way too|100%|all the time"
    ),
    "fillers": (
        "u+m+|u+h+|e+r+m?|h+m+|ah+|oh+|aw+|well|like,|you know|y'know|lol|lmao|haha(?:ha)*|hehe|huh|"
        "anyways?|i mean|okay so|ok so|so yeah|yeah so|eh|meh|ugh|wow|whoa"
    ),
    "shorthand": (
        "u|ur|r|pls|plz|plse|thx|thnx|tnx|ty|tysm|b4|gr8|l8r|cuz|coz|bc|btw|imo|imho|omg|idk|tbh|rn|asap|"
        "fyi|nvm|np|dont|doesnt|didnt|cant|wont|isnt|arent|wasnt|werent|havent|hasnt|wouldnt|couldnt|"
        "shouldnt|im|ive|youre|theyre|thats|whats|hows|theres|lets|gonna|wanna|gotta|gimme|lemme|dunno|"
        "outta|alot|teh|recieve|definately|seperate|untill|tommorow|tommorrow|tomorow|accomodation|"
        "reccomend|recomend|restaraunt|resturant|restuarant|restraunt|becuase|beleive|wich|thier|adress|"
        "wierd|freind|freinds|suprise|intrested|intersted|probly|prolly|favorit|somthing|anythin|nothin|"
        "watchin|lookin|goin|availible|avaliable|reservaton|infomation|wether|hte|waht|taht|yuo|cheep|"
        "moive|moives|knwo|liek|eachother|k|ok then"
    ),
    "contractions": r"\w+n't|(?:i|you|we|they|he|she|it|that|there|what|who|how|where|let)'(?:m|re|s|ve|ll|d)",
    "thanks": "thanks?|thank (?:you|u)|thankyou|thx|thnx|tnx|ty|tysm|cheers|appreciated?|grateful",
    "polite": (
        "please|pls|plz|could (?:you|i|we)|would you|can you (?:please|kindly)|may i|might i|kindly|"
        "if you (?:don't|dont) mind|would it be possible|i would appreciate|i'd appreciate|if possible|"
        "excuse me"
    ),
    "apology": "sorry|apologies|apologi[sz]e|my bad|my mistake|pardon|forgive me|oops",
    "greeting": r"^\W*(?:hi+|hello+|hey+|hiya|howdy|yo|greetings|good (?:morning|afternoon|evening|day)|hi there)",
    "closing": (
        r"(?:good)?bye+|bye bye|good ?night|see (?:you|ya)|take care|have a (?:\w+ )?(?:day|night|one|"
        r"evening|weekend|time|trip)|(?:that's|that is|that'll be|that will be|thats) (?:all|it|everything)|"
        r"(?:nothing|no,? nothing) else|i'm (?:all )?(?:good|set|done)|all set|that's all i need(?:ed)?|"
        r"farewell|cya|ttyl|(?:nice|great|good|lovely) (?:talking|chatting|speaking)"
    ),
    "explicit_preference": (
        "i(?:'d| would)?(?: (?:really|also|do|just|actually|still|usually|definitely|absolutely))* (?:like|"
        "love|want|prefer|enjoy|need|hate|dislike|adore|fancy)|i(?:'m| am|m) (?:looking|searching|"
        "interested|into|in the mood)|(?:i|we)(?:'m| am|'re| are)? (?:a )?(?:big )?fans? of|looking for|"
        "my favou?rites?|i(?:'m| am) after|we (?:want|need|like|love|prefer)|am looking|don't like|"
        "not (?:a fan|into)"
    ),
    "indirect_preference": (
        r"something (?:like|similar|along|more|less|in the|with|that)|similar to|along the lines|(?:more|"
        r"movies?|films?|places?|songs?|books?|ones?|shows?|stuff|things?|anything) like|such as|"
        r"reminds? me|in the mood|feel(?:ing)? like|my (?:kids?|son|daughter|wife|husband|family|friends?|"
        r"mom|mum|dad|parents|boss|girlfriend|boyfriend|partner|mother|father|brother|sister|grand\w+|niece|"
        r"nephew|roommates?)|birthday|anniversary|date night|tonight|this weekend|last time|"
        r"i (?:just )?(?:saw|watched|tried|used to|grew up|went)|not too|nothing too|without|other than|"
        r"except|instead of|as long as|rather than|too \w+ for|(?:travel+ing|going|coming) with"
    ),
    "self_correction": (
        r"i mean|i meant|actually,? (?:no|make|can|could|i|let|it|that|what)|(?:wait|sorry|oops|"
        r"no),? (?:i (?:meant|mean)|make (?:it|that)|actually|no|not)|on second thoughts?|scratch that|"
        r"never ?mind|let me rephrase|correction|changed? my mind|make (?:that|it) \w+ instead|or rather|"
        r"\*\w+$|instead\W*$"
    ),
    "rejection": (
        r"no|nope|nah|not|none|never|nothing|neither|nor|\w+n't|dont|doesnt|didnt|cant|wont|isnt|havent|"
        r"unfortunately"
    ),
    "no_preference": (
        r"whatever|anything (?:is fine|works|will do|goes|you|would)|any (?:is fine|works|will do|would do|"
        r"of them)|(?:don't|dont|do not|doesn't|doesnt|does not|didn't) (?:really )?(?:care|mind|matter|"
        r"have (?:a|any) (?:\w+ )?preferences?)|no (?:\w+ )?preferences?|up to you|your choice|"
        r"you (?:choose|pick|decide)|surprise me|either (?:is fine|one|works|way)|not picky|doesn't matter|"
        r"any \w+ (?:is fine|will do|works)|dontcare"
    ),
    "assistant_voice": (
        r"how (?:can|may|could) i (?:help|assist)|(?:is|was) there anything else(?: (?:i can|you))|as an ai|"
        r"i'?m (?:here|happy|glad) to (?:help|assist)|i'd be (?:happy|glad|delighted) to|^\W*certainly\W|"
        r"feel free to|let me know if you (?:need|have|would|want)|i (?:can|could) (?:help|assist) you|"
        r"i (?:recommend|suggest)|would you like me to|thank you for (?:reaching out|contacting|sharing|"
        r"your (?:patience|understanding))|great (?:question|choice)|i understand (?:that you|your)|i(?:'ve|"
        r" have) (?:booked|reserved|found) (?:you|your|a|the)|don't hesitate|you're welcome|at your service|"
        r"assist you"
    ),
    "question_form": (
        r"^\W*(?:(?:and|so|but|ok|okay|well|hi|hello|hey|oh|yes|no|thanks|great)\W+)*(?:what|who|whom|whose|"
        r"which|where|when|why|how|is|are|was|were|do|does|did|can|could|will|would|should|may|have you|has|"
        r"any(?:thing|one)? (?:other|else))"
    ),
    "answer_form": (
        r"^\W*(?:yes|yeah|yep|yup|ya|no|nope|nah|sure|ok|okay|maybe|not|i |i'|it|my|none|both|either|any|"
        r"whatever|of course|definitely|correct|right|that|the|just|only|probably|perfect|great|sounds)|"
        r"don't know|not sure"
    ),
    "acknowledgement": (
        r"^\W*(?:(?:ok(?:ay)?|kk?|yes|yeah|yep|yup|ya|sure|great|good|cool|nice|fine|perfect|awesome|"
        r"alright|right|got it|i see|sounds (?:good|great|fun|perfect)|that (?:works|sounds (?:good|great))|"
        r"that's (?:fine|great|good|perfect)|true|agreed|correct|exactly|wonderful|excellent|interesting|"
        r"wow|oh|ah|hm+|will do|no problem|thanks|thank you|please|it is|very|so|well)\W*)+$"
    ),
    "positive": (
        "good|great|love[ds]?|loving|lovely|like[ds]?|enjoy(?:ed|s)?|nice|awesome|excellent|amazing|"
        "perfect|perfectly|wonderful|fantastic|best|fun|funny|happy|glad|cool|beautiful|interesting|"
        "helpful|brilliant|favou?rites?|delicious|thanks?|thank you|yay|appreciated?|pleased|excited|"
        "exciting|hilarious|better|super|fabulous|impressed"
    ),
    "negative": (
        "bad|hate[ds]?|terrible|awful|horrible|worst|worse|boring|bored|sad|angry|annoy(?:ed|ing)|"
        "disappoint(?:ed|ing)|frustrat(?:ed|ing)|upset|ridiculous|useless|wrong|poor|problem|problems|"
        "issue|issues|fail(?:ed|s)?|broken|unfortunately|dislike[ds]?|stupid|dumb|waste|confus(?:ed|ing)|"
        "worried|unacceptable|rude|lame|ugly|scary|sucks?|unhappy|sick|never mind|error|difficult|hard|"
        "fake|mess|complain(?:t|ed)?|don't like|didn't like|not good|no good"
    ),
    "request": (
        r"(?:can|could|would|will) (?:you|i|we)|please|pls|plz|i(?:'d| would) like|i(?:'m| am|"
        r"m)? ?(?:also )?(?:want|need|looking|searching)|(?:help|tell|give|show|find|get|book|recommend|"
        r"suggest|send|let) me|^\W*(?:book|find|show|give|tell|recommend|suggest|send|get|check|change|"
        r"cancel|make|search|list|explain|help|write|reserve|schedule|need|looking|want)|am looking|we need|"
        r"we want"
    ),
    "verb": (
        r"am|is|are|was|were|be|been|do|does|did|done|have|has|had|can|cannot|could|will|would|shall|should|"
        r"may|might|must|\w+n't|\w+'(?:m|re|ve|ll|d|s)|im|ive|dont|cant|didnt|doesnt|wont|thats|\w{3,}ed|"
        r"want|wants|need|needs|like|likes|love|loves|hate|prefer|think|thinks|know|knows|knew|see|saw|seen|"
        r"look|looks|looking|find|found|get|gets|got|go|goes|went|come|comes|came|take|takes|took|make|"
        r"makes|made|give|gave|tell|told|say|says|said|show|help|let|lets|try|book|call|called|reserve|"
        r"recommend|suggest|check|watch|hear|heard|feel|felt|mean|meant|keep|kept|put|leave|leaves|left|"
        r"start|work|works|sound|sounds|seem|seems|thank|thanks|guess|hope|believe|wish|enjoy|remember|"
        r"forget|forgot|ask|use|play|read|eat|buy|bought|pay|paid|send|sent|stay|live|run|ran|happen|agree|"
        r"wait|bring|brought|spend|spent|tend|sleep|talk|speak|learn|teach|care|matter|matters|depart|"
        r"departs|arrive|arrives|stop|cancel|change|confirm|provide|search|write|wrote|explain|include|add|"
        r"follow|understand|understood"
    ),
}
_ZH: dict[str, str] = {
    "hedges": (
        "可能|大概|也许|或许|好像|似乎|应该是|感觉|差不多|我觉得|不太确定|不确定|不太清楚|"
        "估计|说不定|大约|左右|有点|算是"
    ),
    "boosters": "非常|特别|超级|十分|绝对|一定|肯定|真的|太|极其|完全|必须|尤其|最",
    "fillers": "嗯+|呃+|额+[，,。…]|那个[，,…]|啊|哦|哎|哈哈+|呵呵|唉|诶|嘿嘿",
    "thanks": "谢谢|感谢|多谢|谢啦|谢了|辛苦",
    "polite": "请|麻烦|劳烦|您|能否|可否|拜托",
    "apology": "抱歉|对不起|不好意思|我错了|打扰",
    "greeting": "^[^一-龥]*(?:你好|您好|嗨|哈喽|早上好|下午好|晚上好|早安|hello|hi)",
    "closing": "再见|拜拜|回见|没有了|没问题了|没有其他|没别的|就这样|就这些|晚安|不用了",
    "explicit_preference": ("我(?:比较|更|很|还|也|最)?(?:喜欢|想要?|要|需要|希望|偏好|爱|讨厌|打算|准备)|想要|不喜欢"),
    "indirect_preference": (
        "类似|像.{1,12}(?:一样|那样|这样)|适合|孩子|家人|父母|爸|妈|朋友|女友|"
        "男友|同学|老人|生日|纪念日|不要太|不能太|除了|预算|之前|上次|没有.{1,8}的"
    ),
    "self_correction": "不对|我是说|我的意思是|等等|等一下|改成|更正|说错|还是.{1,8}吧|算了",
    "rejection": "不|没|别|无法|未",
    "no_preference": "随便|都可以|都行|无所谓|你决定|你来定|没有要求|没什么要求|任意|看着办",
    "assistant_voice": (
        "有什么可以帮|很高兴为您|作为(?:一个)?(?:人工智能|ai|语言模型)|希望这(?:些|"
        "能)|如果您(?:有|需要)|祝您|当然可以[！!]|以下是|请随时|为您推荐|"
        "还有其他(?:问题|需要)"
    ),
    "question_form": (
        "[吗呢]|什么|怎么|怎样|哪|多少|几[个点天种]|为什么|如何|是否|有没有|能不能|可不可以|是不是|要不要"
    ),
    "answer_form": "^[^一-龥]*(?:是|不|对|好|可以|行|没有|有|嗯|我|都|随便)",
    "acknowledgement": (
        "^[^一-龥a-z]*(?:(?:好+的?|可以|行|嗯+|ok|知道了?|明白了?|收到|"
        "对的?|是的?|不错|谢谢|没问题|了解了?|哦+)[^一-龥a-z]*)+$"
    ),
    "positive": ("喜欢|不错|很好|好吃|满意|开心|高兴|完美|太棒|棒|谢谢|感谢|有趣|漂亮|舒服|合适|期待|爱"),
    "negative": (
        "不好|不喜欢|讨厌|太差|差劲|失望|难吃|糟|生气|烦|无聊|错误|不对|不行|问题|麻烦死|太贵|累|担心|没用|垃圾"
    ),
    "request": ("请|帮我|帮忙|给我|推荐|告诉我|列出|介绍|设计|制定|写|我想|我要|我需要|希望|生成|安排|规划"),
}
LEXICONS: dict[str, dict[str, str]] = {"en": _EN, "zh": _ZH}
EXCEPT: dict[tuple[str, str], str] = {
    # "What kind of" asks for a sort; it hedges nothing.
    ("en", "hedges"): (
        "(?:what|which|any|some|this|that|these|those|a|the|another|same|different|every|all|other|certain|"
        "particular|specific|my|what's|whatever|each|two|many|new) (?:kind|sort)s? of"
    ),
    ("en", "fillers"): "(?:as|very|so|pretty|how|works|quite|went|is|really|is going|do|doing|do) well",
    ("zh", "rejection"): (
        "不错|不过|差不多|有没有|是不是|能不能|可不可以|要不要|不好意思|特别|没问题|别的|区别|不仅|不同"
    ),
    ("zh", "polite"): "申请|邀请|请假|请客",
}

# What a partner's turn does, beyond asking.
PARTNER: dict[str, dict[str, str]] = {
    "en": {
        "trouble": (
            r"sorry|apologi[sz]e|apologies|unfortunately|unable to|(?:can't|cannot|can not|couldn't|"
            r"could not|don't|do not|didn't) (?:find|understand|do|help|have any|seem|process|get)|"
            r"no (?:\w+ )?(?:results?|match(?:es)?|\w+ available)|not available|there (?:are|is) no|"
            r"there aren't|(?:isn't|aren't|is not|are not) (?:any|available)|failed|went wrong|i'm afraid"
        ),
        "closing": (
            r"(?:good)?bye|have a (?:\w+ )?(?:day|night|one|evening|weekend|time|trip|stay|meal)|"
            r"(?:you're|you are|your|most) (?:very |most )?welcome|^\W*welcome\W*$|take care|enjoy|no problem|"
            r"my pleasure|glad (?:i|to)|see you|good night"
        ),
        "greeting": r"^\W*(?:hi+|hello+|hey+|welcome|greetings|good (?:morning|afternoon|evening|day))",
    },
    "zh": {
        "trouble": "抱歉|对不起|无法|不能|没有找到|很遗憾|不支持|失败",
        "closing": "再见|不客气|祝您|祝你|拜拜|随时",
        "greeting": "^[^一-龥]*(?:你好|您好|欢迎|嗨)",
    },
}


def pattern(language: str, name: str) -> str | None:
    """The regular expression of one list, on word edges where the script has them; None where there is no list.

    >>> pattern("zh", "thanks")
    '谢谢|感谢|多谢|谢啦|谢了|辛苦'
    >>> pattern("fr", "thanks") is None
    True
    """
    return _bounded(language, LEXICONS.get(language, {}).get(name))


def exceptions(language: str, name: str) -> str | None:
    """The readings to take off again, as `pattern`."""
    return _bounded(language, EXCEPT.get((language, name)))


def partner_pattern(language: str, name: str) -> str | None:
    """As `pattern`, for what partners do."""
    return _bounded(language, PARTNER.get(language, {}).get(name))


def _bounded(language: str, body: str | None) -> str | None:
    if body is None or language == "zh":
        return body
    # Entries that open or close with a mark of their own carry their own edge.
    return rf"(?:^|\b)(?:{body})(?:\b|$|\W)"
