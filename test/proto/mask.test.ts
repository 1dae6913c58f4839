import { create, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import type { HifiError } from '../../foundation/errors';
import { STRATEGIES } from '../../heads/mask';
import { isScoreStrategy } from '../../heads/scores';
import { selectHeads } from '../../heads/select';
import { HEAD_TUNES } from '../../heads/tune';
import { MaskSchema } from '../../proto/gen/hifi/v1/heads_pb';
import { maskMessage, maskOf } from '../../proto/mask';
import { sampleReport } from '../job/sample-results';
import { crossed } from './crossing';

const report = sampleReport(4, 5);
const { model } = report;
const given = (mask: MessageInitShape<typeof MaskSchema>) => maskOf(create(MaskSchema, mask), model);

describe('a mask', () => {
  it('survives both conversions', () => {
    const strategies = STRATEGIES.filter((strategy) => !isScoreStrategy(strategy));
    const size = fc.oneof(
      fc.record({ k: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ budget: fc.double({ min: 0.1, max: 1, noNaN: true }) }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...strategies), size, fc.constantFrom(...HEAD_TUNES), (strategy, size, tune) => {
        const mask = selectHeads(report, { strategy, ...size, tune });
        expect(maskOf(crossed(MaskSchema, maskMessage(mask)), model)).toEqual(mask);
      }),
    );
  });

  it('needs only its heads: the rest has defaults or is computed', () => {
    const heads = [
      { layer: 1, head: 4 },
      { layer: 0, head: 0, score: 0.25 },
      { layer: 1, head: 0 },
    ];
    const mask = given({ heads, trainableParameters: 5, totalParameters: 7, share: 0.9 });
    const perHead = 3 * model.headDim * model.hiddenSize + 2 * model.headDim;
    expect(mask).toEqual({
      schemaVersion: 1,
      model: { name: model.name, sha256: model.sha256 },
      strategy: 'hifi',
      k: 2,
      tune: 'qkv',
      heads: [
        { layer: 0, head: 0, score: 0.25 },
        { layer: 1, head: 0, score: 0 },
        { layer: 1, head: 4, score: 0 },
      ],
      trainableParameters: 3 * perHead,
      totalParameters: model.parameters,
      share: (3 * perHead) / model.parameters,
    });
    expect(given({})).toMatchObject({ heads: [], k: 0, trainableParameters: 0 });
  });

  it.each<[MessageInitShape<typeof MaskSchema>, string, string]>([
    [{ heads: [{ head: 0 }] }, 'mask.heads[0].layer', 'mask.heads[0].layer is missing; it must be given'],
    [
      { heads: [{ layer: 4, head: 0 }] },
      'mask.heads[0].layer',
      'mask.heads[0].layer is 4; it must be 0 to 3: the model has 4 layers',
    ],
    [
      {
        heads: [
          { layer: 0, head: 0 },
          { layer: 0, head: 5 },
        ],
      },
      'mask.heads[1].head',
      'mask.heads[1].head is 5; it must be 0 to 4: a layer of the model has 5 heads',
    ],
    [
      {
        heads: [
          { layer: 2, head: 1 },
          { layer: 2, head: 1 },
        ],
      },
      'mask.heads[1]',
      'mask.heads[1] is layer 2, head 1, which mask.heads[0] was already; each must come once',
    ],
    [{ heads: [{ layer: 0, head: 0, score: Number.NaN }] }, 'mask.heads[0].score', 'is NaN'],
    [
      { model: { sha256: 'cd'.repeat(32) } },
      'mask.model.sha256',
      'mask.model.sha256 is cdcdcdcdcdcd… (sample); it must be ',
    ],
    [{ strategy: 'hify' }, 'mask.strategy', 'mask.strategy is "hify"; it must be one of hifi, '],
    [
      { tune: 'all' },
      'mask.tune',
      'mask.tune is "all"; it must be letters of qkvo, each once, commas optional, or neurons',
    ],
    [{ k: 6 }, 'mask.k', 'mask.k is 6; it must be 0 to 5: a layer of the model has 5 heads'],
    [{ budget: 0 }, 'mask.budget', 'mask.budget is 0; it must be above 0, at most 1'],
    [{ budget: 0.1, k: 1 }, 'mask.budget', 'give one of them'],
  ])('refuses %j', (mask, field, text) => {
    let error: HifiError | undefined;
    try {
      given(mask);
    } catch (thrown) {
      error = thrown as HifiError;
    }
    expect([error?.code, error?.field, error?.message]).toEqual([
      'INVALID_INPUT',
      field,
      expect.stringContaining(text),
    ]);
  });

  it('is required', () => expect(() => maskOf(undefined, model)).toThrow('mask is missing'));
});
