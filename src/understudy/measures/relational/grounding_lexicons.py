"""Word lists for grounding, repair and commitments: English and Chinese, written for this project, Rust syntax."""

from __future__ import annotations

_EN: dict[str, str] = {
    # Asking what was meant: about the turn before, not about the world.
    "clarification": (
        r"(?:do|did) you mean|you mean|what do you mean|(?:did|have) i (?:get|got|hear|understand) (?:that|this|you)|"
        r"(?:just )?to (?:clarify|confirm|be clear|make sure|double.?check)|are you (?:saying|asking|looking for)|"
        r"is (?:that|this) (?:right|correct|what you)|(?:can|could|would) you (?:please )?(?:clarify|"
        r"explain|elaborate|"
        r"rephrase|repeat|specify|be more specific)|what (?:exactly|specifically|kind|sort|type)|which one|"
        r"which of|so you(?:'re| are)? (?:want|need|like|looking|saying|going)|if i understand|"
        r"am i right|correct\?|right\?"
    ),
    # Nothing but evidence that the other was heard.
    "acknowledgement": (
        r"^\W*(?:(?:ok(?:ay)?|kk?|yes|yeah|yep|yup|sure|great|good|cool|nice|fine|perfect|awesome|"
        r"alright|right|got it|"
        r"gotcha|i see|i understand|understood|noted|i hear you|makes sense|sounds (?:good|great|fun|"
        r"perfect)|of course|"
        r"that (?:works|makes sense|sounds (?:good|great))|that's (?:fine|great|good|perfect|true)|true|"
        r"agreed|exactly|"
        r"wonderful|excellent|interesting|wow|oh|ah|m+hm+|uh.?huh|hm+|thanks|thank you|very|so|well)\W*)+$"
    ),
    # Repair started by the other: from the least to the most specific.
    "open_request": (
        r"^\W*(?:what|huh|sorry|pardon|excuse me|come again|eh)\W*\?+\W*$|(?:can|"
        r"could) you (?:please )?(?:repeat|say that "
        r"again|rephrase)|(?:i )?(?:don't|dont|didn't|didnt|do not|did not|couldn't|"
        r"can't) (?:quite )?(?:understand|get "
        r"(?:that|it|you)|follow|catch|hear)|what do you mean|come again|say (?:that|it) again|(?:i'm|im|"
        r"i am) (?:not "
        r"following|lost|confused)|what was that|not sure what you mean"
    ),
    "restricted_request": (
        r"^\W*(?:the |a |in |at |on |to )?(?:who|where|when|which|what)(?: (?:one|time|day|place|kind|"
        r"part|of (?:them|"
        r"those)))?\W*\?+\W*$|which one\b|what kind of|^\W*(?:which|what) \w+\?+\W*$"
    ),
    "restricted_offer": (
        r"(?:do|did) you mean|you mean|you meant|are you saying|is that what you|so you(?:'re|"
        r" are)? (?:saying|asking)|"
        r"(?:just )?to (?:confirm|clarify|double.?check)|if i understand"
    ),
    "self_repair": (
        r"i meant?|sorry,? i meant|(?:wait|oops),? (?:no|i|actually|make)|scratch that|let me rephrase|correction|"
        r"make (?:that|it) \w+ instead|or rather|\*\w+$|actually,? (?:make|can we|could we|i(?:'d|"
        r" would) (?:rather|prefer))"
    ),
    "challenge": (
        r"(?:that's|that is|this is|thats) (?:not (?:right|correct|true|what)|wrong|incorrect)|(?:you|"
        r"u) (?:said|told|"
        r"promised|mentioned)|i (?:said|asked|told|meant|already)|not what i|you're wrong|no,? i (?:want|"
        r"need|asked|said|"
        r"meant)|but (?:earlier|before)"
    ),
    "apology": "sorry|apologies|apologi[sz]e|my bad|my mistake|pardon|forgive me|oops",
    "agreement": (
        r"i understand|understood|i see|noted|got it|i agree|agreed|sure|of course|certainly|absolutely|will do|"
        r"makes sense|good (?:point|idea)|sounds (?:good|great)|you're right|okay|ok"
    ),
    "hedge": r"maybe|perhaps|i think|i guess|probably|possibly|not sure|might|kind of|sort of",
    "commitment": (
        r"(?:i|we)(?:'ll| will| shall)|i(?:'m| am) (?:going to|gonna)|let me|i promise|i(?:'ll| will) make sure|"
        r"i can (?:send|book|get|find|do|bring|check|make)|allow me"
    ),
    "withdrawal": (
        r"can't|cannot|can not|couldn't|unable|won't|not (?:able|possible|available)|instead|unfortunately|actually|"
        r"changed? my mind|no longer|never ?mind|failed|after all|didn't|sorry"
    ),
}
_ZH: dict[str, str] = {
    "clarification": (
        "你是说|您是说|是指|你的意思|您的意思|确认一下|什么意思|具体(?:是|指)?(?:什么|哪)|哪一[个种]|能(?:详细|具体)"
    ),
    "acknowledgement": (
        "^[^一-龥a-z]*(?:(?:好+的?|可以|行|嗯+|ok|知道了?|明白了?|收到|对的?|是的?|不错|了解了?|哦+)[^一-龥a-z]*)+$"
    ),
    "open_request": "^[^一-龥]*(?:什么|啊|嗯|哈)[?？]+$|没(?:听|看)?懂|不明白|不理解|什么意思|再说一遍|重复一下",
    "restricted_request": "^[^一-龥]*(?:谁|哪里|哪儿|哪个|什么时候|哪一?[个种天])[?？]*$",
    "restricted_offer": "你是说|您是说|你的意思是|您的意思是|是不是指|确认一下",
    "self_repair": "我是说|我的意思是|说错|更正|改成|不对，",
    "challenge": "不对|错了|不是这样|我说的是|你刚才|您刚才|之前(?:说|不是)|不是我要",
    "apology": "抱歉|对不起|不好意思|我错了",
    "agreement": "明白|了解|知道了|好的|当然|没问题|同意|有道理|收到",
    "hedge": "可能|也许|大概|或许|不确定|我觉得",
    "commitment": "我(?:会|将|来|这就|马上|帮您|帮你|为您|为你)|让我",
    "withdrawal": "不能|无法|不行|抱歉|改|其实|算了|没有办法|失败",
}
LISTS: dict[str, dict[str, str]] = {"en": _EN, "zh": _ZH}


def listed(language: str, name: str) -> str:
    """The expression of one list, on word edges where the script has them.

    >>> import re
    >>> bool(re.search(listed("en", "commitment"), "ok, i'll book it"))
    True
    """
    body = LISTS[language][name]
    return body if language == "zh" else rf"(?:^|\b)(?:{body})(?:\b|$|\W)"
