/** Two patterns that only the requirements look at: one with questions of every kind, one that reads more sections. */

import type { Catalogue, Pattern } from '../../../src/pattern.ts';

const sizeless: Omit<Pattern, 'id' | 'title' | 'need' | 'partName' | 'reads' | 'questions'> = {
  provides: [],
  size: () => ({ kind: 'unsized', rejected: [{ option: 'fake', reason: '', bottleneck: '', numbers: {} }] }),
  local: (sizing) => sizing,
  footprint: () => ({ cpus: 1, memoryMiB: 64 }),
  topology: () => ({ processSets: [], jobs: [] }),
  connect: () => ({}),
  files: () => [],
  stack: () => ({ module: 'stack.ts', construct: 'Fake', args: {} }),
  serviceTimes: {},
  work: () => [],
  offeredLoad: () => ({}),
  workloadModule: 'workload',
  invariantsModule: 'invariants',
};

export const catalogue: Catalogue = [
  {
    ...sizeless,
    id: 'ferry',
    title: 'Ferry',
    need: { id: 'cross-water', words: 'cross the water' },
    partName: 'ferry',
    reads: ['rate', 'latency', 'availability', 'cost'],
    questions: [
      {
        key: 'seats',
        ask: 'How many seats has it?',
        feeds: 'its length',
        type: { kind: 'number', min: 1, max: 5000, integer: true, unit: 'seats' },
        prior: 40,
        priorSource: 'a small one',
      },
      {
        key: 'fuel',
        ask: 'What drives it?',
        feeds: 'its engine',
        type: {
          kind: 'choice',
          choices: [
            { value: 'wind', words: 'sails' },
            { value: 'yes', words: 'a word that an older YAML takes for true' },
          ],
        },
        prior: 'wind',
        priorSource: 'the usual one',
      },
      {
        key: 'returns',
        ask: 'Does it come back?',
        feeds: 'its timetable',
        type: { kind: 'confirm' },
        prior: true,
        priorSource: 'most do',
      },
    ],
  },
  {
    ...sizeless,
    id: 'warehouse',
    title: 'Warehouse',
    need: { id: 'keep-things', words: 'keep things' },
    partName: 'warehouse',
    reads: ['rate', 'data', 'latency', 'consistency', 'availability', 'loss', 'cost', 'operations'],
    questions: [],
  },
];
