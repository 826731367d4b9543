/** The tensors of a safetensors file: { name: { dtype, shape, bytes } }. Each tensor has its own buffer. */
export function readSafetensors(file) {
  const begin = 8 + Number(file.readBigUInt64LE());
  const { __metadata__, ...header } = JSON.parse(file.subarray(8, begin));
  const tensors = Object.entries(header).map(([name, { dtype, shape, data_offsets: [start, end] }]) => {
    return [name, { dtype, shape, bytes: Uint8Array.from(file.subarray(begin + start, begin + end)) }];
  });
  return { __metadata__, ...Object.fromEntries(tensors) };
}
