// ONNX Runtime Web: networks that run in the page.

import * as ort from "./runtime.js";

/** Bytes of a text that was compressed by gzip and written in base64. */
export async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Numbers of a text in base64, float32. */
export function numbers(text) {
  const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/** Start the runtime from its own bytes: it asks nobody for a file. */
export function start(wasm) {
  ort.env.wasm.numThreads = 1; // threads need headers that a file on a disk does not have
  ort.env.wasm.wasmBinary = wasm.buffer;
}

/** A network: tensors in, tensors out, both `{ dims, data }` by name. */
export class Network {
  static async from(bytes) {
    const made = new Network();
    made.session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    return made;
  }

  async run(inputs) {
    const given = Object.fromEntries(this.session.inputNames.map((name) => {
      const { dims, data } = inputs[name];
      return [name, new ort.Tensor("float32", data, dims)];
    }));
    return this.session.run(given);
  }
}
