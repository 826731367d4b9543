/** Opens the requested device. Without a request it opens the GPU if there is one, and the CPU otherwise. */
export async function openDevice(wasm, requested) {
  if (requested === 'wasm') {
    return { device: await wasm.Device.open('wasm') };
  }
  const reason = await whyNoGpu({ allowSoftware: requested !== undefined });
  if (requested === 'webgpu') {
    if (reason) {
      throw new Error(`device: WebGPU is not available: ${reason}; device: 'wasm' computes on the CPU`);
    }
    return { device: await wasm.Device.open('webgpu') };
  }
  try {
    if (!reason) {
      return { device: await wasm.Device.open('webgpu') };
    }
  } catch (error) {
    return { device: await wasm.Device.open('wasm'), fallback: error.message };
  }
  return { device: await wasm.Device.open('wasm'), fallback: reason };
}

async function whyNoGpu({ allowSoftware }) {
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
  // A software adapter emulates the GPU on the CPU, which is slower than the CPU path itself.
  if (!allowSoftware && (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter)) {
    return 'the only graphics adapter is a software one, slower than the CPU itself';
  }
  return undefined;
}
