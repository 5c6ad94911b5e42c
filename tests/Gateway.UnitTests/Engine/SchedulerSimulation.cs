using Gateway.Engine.Scheduling;
using Xunit;

namespace Gateway.UnitTests.Engine;

/// <summary>The engine's use of the scheduler without a network: sequences are numbers, and limits are checked in every step.</summary>
internal sealed class SchedulerSimulation(int blocks, int maximumRunning)
{
    private readonly FairShares _shares = new();
    private readonly Dictionary<string, FairShare> _byCaller = new(StringComparer.Ordinal);
    private readonly List<Simulated> _running = [];
    private readonly List<Simulated> _waiting = [];
    private int _arrived;

    public bool Busy => _running.Count + _waiting.Count > 0;

    /// <summary>First admissions in order: who, and the number of its arrival.</summary>
    public List<Admission> Admissions { get; } = [];

    public void Arrive(string caller, int prompt, int reply)
    {
        _byCaller[caller] = _shares.Join(caller);
        _waiting.Add(new Simulated(caller, _arrived++, prompt, reply));
    }

    public bool IsActive(string caller) => _running.Concat(_waiting).Any(sequence => sequence.Caller == caller);

    public double Served(string caller) => _byCaller[caller].Served;

    public void Step(int budget)
    {
        var grants = new int[maximumRunning];
        var left = Scheduler.PlanReplies(Loads(), Free, budget, grants);
        var preempted = Preempt(grants);
        for (var i = 0; i < _running.Count; i++)
        {
            _running[i].Reserve(grants[i]);
        }

        Assert.InRange(Free, 0, blocks);
        if (!preempted)
        {
            Admit(grants);
        }

        Scheduler.PlanPrompts(Loads(), left, grants);
        if (Busy)
        {
            Assert.InRange(grants.Where(grant => grant > 0).Sum(), 1, budget);
        }

        for (var i = _running.Count - 1; i >= 0; i--)
        {
            var sequence = _running[i];
            Assert.InRange(grants[i], 0, budget);
            var drawn = sequence.Process(grants[i]);
            _byCaller[sequence.Caller].Served += grants[i] + drawn;
            if (sequence.Ended)
            {
                FairShares.Leave(_byCaller[sequence.Caller]);
                _running.RemoveAt(i);
            }
        }

        Assert.InRange(Free, 0, blocks);
    }

    private int Free => blocks - _running.Sum(sequence => sequence.Blocks);

    private SequenceLoad[] Loads() => [.. _running.Select(sequence => sequence.Load(_byCaller[sequence.Caller].Served))];

    private bool Preempt(int[] grants)
    {
        var any = false;
        while (_running.Count > 0 && grants[_running.Count - 1] == Scheduler.Preempt)
        {
            any = true;
            _running[^1].Cached = _running[^1].Blocks = 0;
            grants[_running.Count - 1] = 0;
            _waiting.Insert(0, _running[^1]);
            _running.RemoveAt(_running.Count - 1);
        }

        return any;
    }

    private void Admit(int[] grants)
    {
        while (_waiting.Count > 0 && _running.Count < maximumRunning)
        {
            var next = Scheduler.NextAdmission([.. _waiting.Select(sequence => new QueueEntry(Served(sequence.Caller), sequence.Started))]);
            var sequence = _waiting[next];
            if (!Scheduler.Fits(sequence.Load(0), Free))
            {
                return;
            }

            if (!sequence.Started)
            {
                Admissions.Add(new Admission(sequence.Caller, sequence.Arrival));
            }

            sequence.Started = true;
            sequence.Blocks = Scheduler.BlocksFor(sequence.Length);
            _waiting.RemoveAt(next);
            grants[_running.Count] = 0;
            _running.Add(sequence);
        }
    }

    internal sealed record Admission(string Caller, int Arrival) : IComparable<Admission>
    {
        public int CompareTo(Admission? other) => Arrival.CompareTo(other?.Arrival);
    }

    private sealed class Simulated(string caller, int arrival, int prompt, int reply)
    {
        private readonly int _end = prompt + reply;

        public string Caller => caller;

        public int Arrival => arrival;

        public int Cached { get; set; }

        public int Blocks { get; set; }

        public int Length { get; private set; } = prompt;

        public bool Started { get; set; }

        public bool Ended => Length == _end;

        public SequenceLoad Load(double served) => new(Cached, Length - Cached, Blocks, Blocks, served);

        public void Reserve(int tokens) => Blocks = Math.Max(Blocks, Scheduler.BlocksFor(Cached + tokens));

        public int Process(int tokens)
        {
            Cached += tokens;
            if (tokens == 0 || Cached < Length)
            {
                return 0;
            }

            Length++;
            return 1;
        }
    }
}
