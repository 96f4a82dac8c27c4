// Picture files -> what a network reads.

/** The middle square of a file: pixels (1, C, size, size) in [0, 1], and the address of a PNG. */
export async function cut(file, size, channels) {
  let image;
  try {
    image = await createImageBitmap(file); // turned as its camera says
  } catch {
    throw new Error("this file is no picture that can be read here: give a PNG, JPEG or WebP file");
  }
  const side = Math.min(image.width, image.height);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.imageSmoothingQuality = "high";
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, size, size); // what is transparent is black, as it is in training
  pen.drawImage(image, (image.width - side) / 2, (image.height - side) / 2, side, side,
    0, 0, size, size);
  const { data } = pen.getImageData(0, 0, size, size);
  const area = size * size;
  const pixels = new Float32Array(channels * area);
  for (let pixel = 0; pixel < area; pixel += 1) {
    const [red, green, blue] = data.subarray(4 * pixel, 4 * pixel + 3);
    const seen = channels === 1
      ? [0.299 * red + 0.587 * green + 0.114 * blue] : [red, green, blue];
    seen.forEach((value, channel) => { pixels[channel * area + pixel] = value / 255; });
  }
  return { pixels: { dims: [1, channels, size, size], data: pixels },
    address: canvas.toDataURL("image/png") };
}
