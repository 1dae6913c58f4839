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

  /** @throws HifiError as `Inputs.delta` */
  async folder(files: GivenDelta, signal: AbortSignal): Promise<string> {
    const key = `${files.info} ${files.tensors}`;
    const opened = this.kept.get(key) ?? this.inputs.delta(files, signal);
    this.kept.delete(key);
    this.kept.set(key, opened);
    try {
      const { what } = await opened;
      await this.trim();
      return what;
    } catch (error) {
      if (this.kept.get(key) === opened) this.kept.delete(key);
      throw error;
    }
  }

  async close(): Promise<void> {
    const all = [...this.kept.values()];
    this.kept.clear();
    for (const each of all) await (await each).release();
  }

  private async trim(): Promise<void> {
    for (const [key, each] of this.kept) {
      if (this.kept.size <= this.most) return;
      this.kept.delete(key);
      await (await each).release();
    }
  }
}
