/** Opens the device that was asked for; or, where none was, the GPU if there is one and otherwise the CPU. */
export async function openDevice(wasm, wanted) {
  if (wanted === 'wasm') {
    return { device: await wasm.Device.open('wasm') };
  }
  const absent = await whyNoGpu(wanted === undefined);
  if (wanted === 'webgpu') {
    if (absent) {
      throw new Error(`device: expected WebGPU, found none: ${absent}; device: 'wasm' computes on the CPU`);
    }
    return { device: await wasm.Device.open('webgpu') };
  }
  try {
    if (!absent) {
      return { device: await wasm.Device.open('webgpu') };
    }
  } catch (error) {
    return { device: await wasm.Device.open('wasm'), fallback: error.message };
  }
  return { device: await wasm.Device.open('wasm'), fallback: absent };
}

async function whyNoGpu(unasked) {
  if (!self.isSecureContext) {
    return 'browsers offer it only to pages served by https or from localhost';
  }
  if (!navigator.gpu) {
    return 'this browser does not offer it';
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    return 'the browser finds no graphics adapter that it allows';
  }
  // A GPU that is played by the CPU is slower than the CPU itself.
  if (unasked && (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter)) {
    return 'the only graphics adapter is a software one, slower than the CPU itself';
  }
  return undefined;
}
