"""What Twilio's error codes mean to whoever runs a phone line, and what to do about them.

Only those that our requests can meet; the others are shown in Twilio's own words. https://www.twilio.com/docs/api/errors
"""

_MEANINGS = {
    "10004": "too many calls at once for this account: wait until some have ended, or ask Twilio for more",
    "20003": "it does not know these credentials: check TWILIO_ACCOUNT_SID with its TWILIO_AUTH_TOKEN, or the API key",
    "20008": "these are test credentials, which reach no real number: use the live ones of the account",
    "20404": "there is no such thing in this account: check TWILIO_ACCOUNT_SID",
    "20429": "it is asked too often: try again in a moment",
    "21205": "the address of the webhook is none that Twilio can reach: PUBLIC_URL must be a public https address",
    "21210": "the number to call from is neither bought nor verified in this account: use one of its numbers",
    "21211": "the number to reach is no phone number: write it like +14255550100",
    "21212": "the number to call from is no phone number: write it like +14255550100",
    "21214": "the number to reach cannot be reached from here: check it, or call it by hand",
    "21215": "this account may not call that country: allow it in the console, Voice, Settings, Geo permissions",
    "21216": "that number is blocked, and Twilio does not call it",
    "21217": "the number to reach is no phone number that exists: check its digits",
    "21219": "an account on trial reaches verified numbers only: verify the number, or upgrade the account",
    "21220": "the call is over, or not in a state for this",
    "21262": "answering-machine detection needs an address for its callback",
    "21263": "a setting of the answering-machine detection is not one that Twilio allows",
    "21266": "a message cannot be sent from a number to itself: check the numbers",
    "21401": "the phone number is not one that Twilio knows: check its digits",
    "21402": "an address is none that Twilio can reach: PUBLIC_URL must be a public https address",
    "21403": "a method must be GET or POST",
    "21408": "this account may not send messages to that country: allow it in the console, Messaging, Geo permissions",
    "21421": "the phone number is not one that can be used so: check it in the console",
    "21502": "the address of a callback is none that Twilio can reach: PUBLIC_URL must be a public https address",
    "21602": "a message without a text cannot be sent",
    "21603": "a message needs a number of this account to be sent from",
    "21604": "a message needs a number to be sent to",
    "21606": "the number to send from cannot send messages: choose one of this account with the capability SMS",
    "21608": "an account on trial sends messages to verified numbers only: verify the number, or upgrade the account",
    "21609": "the address of a callback is none that Twilio can reach: PUBLIC_URL must be a public https address",
    "21610": "the recipient has opted out of messages from this number: only the recipient can change that",
    "21611": "too many messages wait to be sent from this number: send fewer, or use a messaging service",
    "21612": "no way leads from this number to that one: choose another number to send from",
    "21614": "the number to reach takes no messages: it is no mobile number",
    "21617": "the message is longer than 1600 characters: shorten it",
    "21659": "the number to send from is not one of this account: choose one that it has",
    "21660": "the number to send from belongs to another account: choose one of this one",
    "21661": "the number to send from cannot send messages: choose one with the capability SMS",
    "22005": "the queue of calls is full: place fewer at a time",
    "30034": "messages to US numbers from this one need its registration (A2P 10DLC): register it in the console",
}


def meaning_of(code: str) -> str:
    """Say what an error means and what to do; empty: Twilio's own words have to do."""
    return _MEANINGS.get(code, "")
