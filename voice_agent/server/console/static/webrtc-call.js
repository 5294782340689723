// A call to the model itself, over WebRTC: no telephone line between, nothing recorded. The server attends by a sideband.

import { events, post } from "./api.js";
import { openMicrophone } from "./microphone.js";

const LEVELS_MS = 60;

/** Tells `view` as `TelephoneCall` does, and `spoken(name, event)` what is said. */
export class WebRtcCall {
  constructor(view) {
    this.view = view;
    this.isOver = false;
    this.givingUp = new AbortController();
  }

  /** @param {{agent: string}} wish */
  async hold({ agent }) {
    try {
      this.view.state("asking for the microphone");
      this.microphone = await openMicrophone();
      if (this.isOver) {
        this.microphone.getTracks().forEach((track) => track.stop());
        return;
      }
      this.view.state("calling");
      const minted = await post("/console/session", { agent });
      if (!this.isOver) await this.#connect(minted);
    } catch (error) {
      this.#end(error.message);
    }
  }

  hangUp() {
    this.#end("");
  }

  mute(muted) {
    this.microphone?.getTracks().forEach((track) => {
      track.enabled = !muted;
    });
  }

  async #connect({ value, calls_url: callsUrl, call_url: callUrl, events_url: eventsUrl }) {
    const peer = new RTCPeerConnection();
    this.peer = peer;
    this.speaker = new Audio();
    this.speaker.autoplay = true;
    peer.addEventListener("track", ({ streams: [heard] }) => {
      this.speaker.srcObject = heard;
      this.#watch(heard);
    });
    peer.addEventListener("connectionstatechange", () => {
      if (["failed", "closed"].includes(peer.connectionState)) this.#end("");
    });
    peer.addTrack(this.microphone.getTracks()[0], this.microphone);
    const channel = peer.createDataChannel("oai-events");
    channel.addEventListener("message", ({ data }) => this.#take(JSON.parse(data)));
    channel.addEventListener("close", () => this.#end(""));
    await peer.setLocalDescription(await peer.createOffer());
    const answer = await fetch(callsUrl, {
      method: "POST",
      body: peer.localDescription.sdp,
      signal: this.givingUp.signal, // who has hung up calls nobody
      headers: { Authorization: `Bearer ${value}`, "Content-Type": "application/sdp" },
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`the model's server answers ${answer.status}: ${text.slice(0, 200)}`);
    if (this.isOver) return;
    await peer.setRemoteDescription({ type: "answer", sdp: text });
    const callId = answer.headers.get("Location")?.split("/").pop() ?? "";
    await post(callUrl, { call_id: callId });
    if (this.isOver) return;
    // Why a tool failed the model is not told.
    this.told = events(eventsUrl, { tool_failed: (failure) => this.view.spoken("tool_failed", failure) });
    this.view.state("on the line, without a telephone");
  }

  #watch(heard) {
    this.context = new AudioContext();
    const meter = (stream) => {
      const node = new AnalyserNode(this.context, { fftSize: 2048 });
      this.context.createMediaStreamSource(stream).connect(node);
      const samples = new Float32Array(node.fftSize);
      return () => {
        node.getFloatTimeDomainData(samples);
        return samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      };
    };
    const [caller, agent] = [meter(this.microphone), meter(heard)];
    this.levels = setInterval(() => this.view.levels({ caller: caller(), agent: agent() }), LEVELS_MS);
  }

  #take(event) {
    const say = (name, told) => this.view.spoken(name, told);
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        say("caller_began", {});
        break;
      case "conversation.item.input_audio_transcription.completed":
        say("caller_said", { text: event.transcript });
        break;
      case "conversation.item.input_audio_transcription.failed":
        say("caller_said", { text: "" });
        break;
      case "response.output_audio_transcript.delta":
        say("agent_words", { item_id: event.item_id, text: event.delta });
        this.item = event.item_id;
        break;
      case "conversation.item.truncated":
        say("agent_cut", { item_id: event.item_id, heard_ms: event.audio_end_ms });
        break;
      case "output_audio_buffer.stopped":
        if (this.item) say("agent_cut", { item_id: this.item });
        break;
      case "response.function_call_arguments.done":
        say("tool_started", { call_id: event.call_id, name: event.name ?? "a tool", arguments: event.arguments });
        break;
      case "conversation.item.added":
        if (event.item?.type === "function_call_output") {
          const { call_id: callId, output } = event.item;
          say("tool_answered", { call_id: callId, output });
        }
        break;
      case "error":
        say("note", { what: event.error?.message ?? "the model complains" });
        break;
      default:
    }
  }

  #end(problem) {
    if (this.isOver) return;
    this.isOver = true;
    clearInterval(this.levels);
    this.told?.close();
    this.givingUp.abort();
    this.microphone?.getTracks().forEach((track) => track.stop());
    this.peer?.close();
    this.context?.close();
    this.view.over(problem);
  }
}
