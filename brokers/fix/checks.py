"""What a received message must have before anybody reads it (`protocols/fix.md C3, C4 8`). Pure; `session.py` calls it.

Only what the adapter reads is demanded: a report that lacks a field nobody needs is still a report.
"""

from brokers.fix import tags
from brokers.fix.wire import Message
from schema.records import Record

MISSING = "Required tag missing"
NO_VALUE = "Tag specified without a value"
OUT_OF_RANGE = "Value is incorrect (out of range) for this tag"
BAD_FORMAT = "Incorrect data format for value"
GROUP_COUNT = "Incorrect NumInGroup count for repeating group"
UNSUPPORTED = "Unsupported Message Type"

_REQUIRED: dict[str, tuple[int, ...]] = {
    tags.TEST_REQUEST: (tags.TEST_REQ_ID,),
    tags.RESEND_REQUEST: (tags.BEGIN_SEQ_NO, tags.END_SEQ_NO),
    tags.REJECT: (tags.REF_SEQ_NUM,),
    tags.EXECUTION_REPORT: (
        tags.ORDER_ID,
        tags.EXEC_ID,
        tags.EXEC_TYPE,
        tags.ORD_STATUS,
        tags.SIDE,
        tags.CUM_QTY,
    ),
    tags.CANCEL_REJECT: (tags.CL_ORD_ID, tags.ORD_STATUS, tags.CXL_REJ_RESPONSE_TO),
    tags.BUSINESS_REJECT: (tags.REF_MSG_TYPE, tags.BUSINESS_REJECT_REASON),
    tags.POSITION_ACK: (tags.POS_REQ_RESULT,),
    tags.POSITION_REPORT: (tags.ACCOUNT,),
}
_VALUES: dict[int, frozenset[str]] = {
    tags.EXEC_TYPE: frozenset("0123456789ABCDEFGHI"),
    tags.ORD_STATUS: frozenset("0123456789ABCDE"),
    tags.SIDE: frozenset("0123456789ABCDEFG"),
    tags.CXL_REJ_RESPONSE_TO: frozenset("12"),
}
_WHOLE = (tags.BEGIN_SEQ_NO, tags.END_SEQ_NO, tags.REF_SEQ_NUM)
_NUMBERS = (tags.CUM_QTY, tags.ORDER_QTY, tags.LEAVES_QTY, tags.LAST_QTY, tags.LAST_PX, tags.AVG_PX)
_GROUPS = {tags.NO_POSITIONS: tags.POS_TYPE, tags.NO_PARTY_IDS: tags.PARTY_ID}
_READ = tags.ADMIN | {
    tags.EXECUTION_REPORT,
    tags.CANCEL_REJECT,
    tags.BUSINESS_REJECT,
    tags.POSITION_ACK,
    tags.POSITION_REPORT,
    tags.NEWS,
    "BA",  # T4's collateral report
    "h",  # trading session status: read by nobody, refused by nobody
}


class Fault(Record, frozen=True):
    """Why a message is refused: a session reject's reason (373) and tag (371), or that its kind is not supported."""

    reason: int
    tag: int
    text: str
    unsupported: bool = False


def fault_of(message: Message) -> Fault | None:
    """What is wrong with a message that is due, or None."""
    kind = message.msg_type
    if kind not in tags.KNOWN:
        return Fault(reason=tags.BAD_MSG_TYPE, tag=tags.MSG_TYPE, text="Invalid MsgType")
    for tag, value in message.fields:
        if not value:
            return Fault(reason=tags.NO_VALUE, tag=tag, text=NO_VALUE)
    if kind not in _READ:
        return Fault(reason=0, tag=0, text=UNSUPPORTED, unsupported=True)
    for tag in _REQUIRED.get(kind, ()):
        if not message.has(tag):
            return Fault(reason=tags.REQUIRED_MISSING, tag=tag, text=MISSING)
    for tag, allowed in _VALUES.items():
        if message.has(tag) and message.get(tag) not in allowed:
            return Fault(reason=tags.BAD_VALUE, tag=tag, text=OUT_OF_RANGE)
    for tag in _WHOLE:
        if message.has(tag) and message.number(tag) is None:
            return Fault(reason=tags.BAD_FORMAT, tag=tag, text=BAD_FORMAT)
    for tag in _NUMBERS:
        if message.has(tag) and message.decimal(tag) is None:
            return Fault(reason=tags.BAD_FORMAT, tag=tag, text=BAD_FORMAT)
    for counter, first in _GROUPS.items():
        if message.has(counter) and message.number(counter) != sum(1 for tag, _ in message.fields if tag == first):
            return Fault(reason=tags.GROUP_COUNT, tag=counter, text=GROUP_COUNT)
    return None
