// Frames -> a video, recorded from a canvas as it plays.

const SIDE = 512; // pixels, about
const PAUSE = 50; // milliseconds a frame
const STEPS = 24; // frames from one state to another
const REST = 6; // still frames before and after
const KINDS = ["video/webm;codecs=vp9", "video/webm", "video/mp4"]; // the first that is there

/** Shares of the way in a film: slow at both ends, as things are moved, with rests. */
export function eased() {
  const between = Array.from({ length: STEPS - 1 }, (_, step) => smooth((step + 1) / STEPS));
  return [...Array(REST).fill(0), ...between, ...Array(REST).fill(1)];
}

export const smooth = (part) => part * part * (3 - 2 * part);

/** A video of `frames`, an async iterator of ImageData. */
export async function filmed(frames) {
  const kind = globalThis.MediaRecorder && KINDS.find((one) => MediaRecorder.isTypeSupported(one));
  if (!kind) {
    throw new Error("this browser records no videos: open the page in another");
  }
  const seen = [];
  for await (const frame of frames) seen.push(await createImageBitmap(frame));
  const scale = Math.max(1, Math.floor(SIDE / seen[0].height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [seen[0].width * scale, seen[0].height * scale];
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  const recorder = new MediaRecorder(canvas.captureStream(),
    { mimeType: kind, videoBitsPerSecond: 4_000_000 });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const over = new Promise((done) => { recorder.onstop = done; });
  recorder.start();
  for (const frame of seen) {
    pen.drawImage(frame, 0, 0, canvas.width, canvas.height);
    await new Promise((done) => { setTimeout(done, PAUSE); });
  }
  recorder.stop();
  await over;
  return new Blob(parts, { type: kind.split(";")[0] });
}
