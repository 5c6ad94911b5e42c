using Gateway.Domain.Interactions;

namespace Gateway.Domain.Rollouts;

/// <summary>Feeds outcomes to one guardrail's state: pairs the k-th candidate with the k-th control and latches crossings.</summary>
internal sealed class GuardrailMonitor
{
    private readonly GuardrailState _start;
    private readonly SequentialTest _test;
    private readonly Queue<bool> _unpaired;
    private readonly double _harmThreshold;
    private readonly double _safeThreshold;
    private readonly int _minimumPairs;
    private Arm _unpairedArm;
    private Crossing? _harm;
    private Crossing? _safe;

    public GuardrailMonitor(GuardrailState state, RolloutOptions options, int guardrails)
    {
        _start = state;
        _test = new SequentialTest(state.Guardrail);
        _unpaired = new Queue<bool>(state.Unpaired.Select(c => c == '1'));
        _unpairedArm = state.UnpairedArm;
        _harm = state.Harm;
        _safe = state.Safe;
        Pairs = state.Pairs;

        // Any guardrail rolls back, so the harm error is shared; all must be safe to promote, so the safe error is not.
        _harmThreshold = Math.Log(guardrails / options.HarmError);
        _safeThreshold = Math.Log(1 / options.SafeError);
        _minimumPairs = options.MinimumPairs;
    }

    public PairCounts Pairs { get; private set; }

    public void Add(Arm arm, bool good, DateTimeOffset now)
    {
        if (_unpaired.Count == 0 || _unpairedArm == arm)
        {
            _unpairedArm = arm;
            _unpaired.Enqueue(good);
            return;
        }

        var waiting = _unpaired.Dequeue();
        Pairs = arm == Arm.Candidate ? Pairs.Add(good, waiting) : Pairs.Add(waiting, good);
        if (_harm is null && _test.HarmReaches(_harmThreshold, Pairs))
        {
            _harm = new(Pairs.Total, now, _test.LogHarm(Pairs));
        }

        if (_safe is null && Pairs.Total >= _minimumPairs && _test.SafeReaches(_safeThreshold, Pairs))
        {
            _safe = new(Pairs.Total, now, _test.LogSafe(Pairs));
        }
    }

    public GuardrailState ToState() => _start with
    {
        Pairs = Pairs,
        UnpairedArm = _unpairedArm,
        Unpaired = string.Concat(_unpaired.Select(good => good ? '1' : '0')),
        Harm = _harm,
        Safe = _safe,
    };
}
