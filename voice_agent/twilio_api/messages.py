"""Text messages through Twilio."""

from voice_agent.twilio_api.rest import TwilioRest


class MessagesApi(TwilioRest):
    """The messages of one account."""

    async def send(self, sender: str, to: str, text: str) -> str:
        """Send a text, once; gives its SID. Raises `PeerError`: one line; what timed out may have been sent."""
        return await self.ask(lambda client: str(client.messages.create(from_=sender, to=to, body=text).sid))
