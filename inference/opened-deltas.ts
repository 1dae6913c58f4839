import { cancelled } from '../foundation/errors';
import { unlessAborted } from '../foundation/unless-aborted';
import type { GivenDelta, Inputs, Opened } from '../infra/artifacts/inputs';

/** Most folders of artifacts that stay open. */
const MOST = 4096;

/**
 * Folders of the artifacts that were asked last. A folder that stays has the same path at the next
 * call, by which the engine knows that it has read it.
 */
export class OpenedDeltas {
  private readonly kept = new Map<string, Promise<Opened<string>>>();

  constructor(
    private readonly inputs: Pick<Inputs, 'delta'>,
    private readonly most = MOST,
  ) {}

  /** @throws HifiError as `Inputs.delta`; CANCELLED */
  async folder(files: GivenDelta, signal: AbortSignal): Promise<string> {
    if (signal.aborted) throw cancelled();
    const key = `${files.info} ${files.tensors}`;
    const opened = this.kept.get(key) ?? this.open(key, files);
    this.kept.delete(key);
    this.kept.set(key, opened);
    await this.trim();
    const { what } = await unlessAborted(opened, signal);
    return what;
  }

  async close(): Promise<void> {
    const all = [...this.kept.values()];
    this.kept.clear();
    for (const each of all) await released(each);
  }

  /** Opens a folder for all callers: one that leaves does not cancel it for the others. */
  private open(key: string, files: GivenDelta): Promise<Opened<string>> {
    const opened = this.inputs.delta(files, new AbortController().signal);
    opened.catch(() => {
      if (this.kept.get(key) === opened) this.kept.delete(key);
    });
    return opened;
  }

  private async trim(): Promise<void> {
    for (const [key, each] of this.kept) {
      if (this.kept.size <= this.most) return;
      this.kept.delete(key);
      await released(each);
    }
  }
}

/** Releases a folder, unless it could not be opened: its caller has the error. */
const released = (opened: Promise<Opened<string>>) =>
  opened.then(
    (each) => each.release(),
    () => {},
  );
