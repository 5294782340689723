// The microphone.

/** The microphone, made as fit for speech as the browser can; throws an `Error` that a person understands. */
export async function openMicrophone() {
  if (!navigator.mediaDevices) throw new Error("a browser gives the microphone to https and to this machine only");
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (error) {
    const why = { NotAllowedError: "the microphone is not allowed", NotFoundError: "there is no microphone" };
    throw new Error(why[error.name] ?? `the microphone cannot be used (${error.message})`);
  }
}
