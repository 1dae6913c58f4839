import { namedProblem, PROBLEM_TYPES, type ProblemType, problemNamed, problemOf } from '../../data/problem';
import { TASK_NAMES, TASKS } from '../../data/tasks';

test.each(PROBLEM_TYPES)('%s is known by its name', (problem) => {
  expect(problemNamed(problem)).toBe(problem);
  expect(namedProblem({ problem })).toBe(problem);
  expect(namedProblem({ problem, regression: false })).toBe(problem);
});

test('a regression has a short form, and no name is the default', () => {
  expect(namedProblem({ regression: true })).toBe('regression');
  expect(namedProblem({ problem: 'regression', regression: true })).toBe('regression');
  expect([namedProblem({}), namedProblem({ regression: false })]).toEqual([undefined, undefined]);
  expect(problemOf({})).toBe('single-label');
});

test('what is no problem, or two of them, is refused', () => {
  expect(() => namedProblem({ problem: 'singlelabel' as ProblemType })).toThrow(
    'no problem "singlelabel"; there are single-label, multi-label, regression, tokens, relevance; did you mean "single-label"?',
  );
  expect(() => namedProblem({ problem: 'single-label', regression: true })).toThrow(
    'regression is short for the problem regression; the problem single-label is given too: keep one',
  );
});

test("GLUE's tasks have a problem each, with names where its labels are classes", () => {
  for (const task of TASK_NAMES) {
    const { problem, names } = TASKS[task].labels;
    expect([task, problem, names.length > 1]).toEqual([
      task,
      task === 'stsb' ? 'regression' : 'single-label',
      task !== 'stsb',
    ]);
  }
});
