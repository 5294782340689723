"""Calls at Twilio, as a warm transfer needs them: one to a colleague, and both of them taken elsewhere."""

from voice_agent.errors import PeerError
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.rest import GoneError


class ColleaguesApi(CallsApi):
    """The calls of one account."""

    async def call(self, to: str, from_: str, url: str, status_callback: str, seconds: int) -> str:
        """Call a number or SIP address, ringing for so long; give the CallSid. Raises `PeerError`: one line.

        It is never tried again: who is called twice is annoyed, and the caller comes back to the agent anyway.
        """
        created = await self.ask(
            lambda client: client.calls.create(
                to=to,
                from_=from_,
                url=url,
                status_callback=status_callback,
                status_callback_event=["completed"],
                timeout=seconds,
            )
        )
        return str(created.sid)

    async def redirect(self, call_sid: str, *, twiml: str = "", url: str = "") -> str:
        """Take a call to other TwiML, or to an address of it; give "" or in one line why that failed."""
        order = {"twiml": twiml} if twiml else {"url": url}
        try:
            await self.ask(lambda client: client.calls(call_sid).update(**order))
        except GoneError:
            return "the call is over"
        except PeerError as error:
            return str(error)
        return ""
