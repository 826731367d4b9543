const COMMIT = /^[0-9a-f]{40}$/;

/** The texts of the configuration files, and the base address of the weights. */
export async function configurations(request, http) {
  const { text: config, base } = await mainConfig(request, http);
  const directory = base?.directory;
  const preprocessor = await textOf(request.preprocessor, directory, 'preprocessor_config.json', http);
  const videoPreprocessor = request.videoPreprocessor
    ? await textOf(request.videoPreprocessor, directory, '', http)
    : await optional(directory, 'video_preprocessor_config.json', http);
  return { config, preprocessor, videoPreprocessor, base };
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

/** Older checkpoints have no separate video settings. Weights without an address have no directory to look in. */
async function optional(directory, name, http) {
  const found = directory && await http.text(new URL(name, directory).href, { optional: true });
  return found ? found.text : undefined;
}
