const COMMIT = /^[0-9a-f]{40}$/;

/** The texts of the configuration files, and the base address of the weights. */
export async function configurations(request, http) {
  const { text: config, base } = await mainConfig(request, http);
  return { config, ...await processors(request, base?.directory, http), base };
}

/**
 * transformers 5 writes processor_config.json, and the module prefers its content. It is not read if the caller passes one of
 * the other files: the caller's file must win.
 */
async function processors(request, directory, http) {
  const found = async (source, name) => (source ? textOf(source, directory, '', http) : optional(directory, name, http));
  const isPassed = request.preprocessor || request.videoPreprocessor;
  const processor = isPassed && !request.processor
    ? undefined
    : await found(request.processor, 'processor_config.json');
  const preprocessor = processor === undefined
    ? await textOf(request.preprocessor, directory, 'preprocessor_config.json', http)
    : await found(request.preprocessor, 'preprocessor_config.json');
  const videoPreprocessor = await found(request.videoPreprocessor, 'video_preprocessor_config.json');
  return { processor, preprocessor, videoPreprocessor };
}

/** config.json is fetched first: on a hub, the response names the commit from which all other files are then read. */
async function mainConfig({ config, base }, http) {
  if (base?.repository === undefined) {
    return { text: await textOf(config, base?.directory, 'config.json', http), base };
  }
  const at = (revision) => `${base.repository}${encodeURIComponent(revision)}/`;
  const { text, response } = await http.text(`${at(base.revision)}config.json`);
  const commit = response.headers.get('x-repo-commit');
  const resolved = COMMIT.test(commit ?? '') ? { directory: at(commit), commit } : { directory: at(base.revision) };
  return { text: config ? await textOf(config, undefined, '', http) : text, base: resolved };
}

async function textOf(source, directory, name, http) {
  if (source?.text !== undefined) {
    return source.text;
  }
  if (source?.blob) {
    return source.blob.text();
  }
  return (await http.text(source?.url ?? new URL(name, directory).href)).text;
}

/** A checkpoint has some of the files. Weights without an address have no directory to look in. */
async function optional(directory, name, http) {
  const found = directory && await http.text(new URL(name, directory).href, { optional: true });
  return found ? found.text : undefined;
}
