using System.Text;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Guards;
using Gateway.Security;
using Gateway.Telemetry;

namespace Gateway.FrontDoor;

/// <summary>
/// One request on its way through the front door: what is known about it grows until <see cref="End"/> makes the record,
/// exactly once whoever calls it first (the tap that saw the reply's end, or the road's last step). Used by one request;
/// only <see cref="End"/> may be called from several threads.
/// </summary>
public sealed class Exchange(string id, ChatCompletionRequest request, RandomisationUnit unit, Assigned assigned, bool optOut, TimeProvider clock)
{
    private readonly StringBuilder _reply = new();
    private readonly long _started = clock.GetTimestamp();
    private readonly DateTimeOffset _createdAt = clock.GetUtcNow();
    private long? _firstToken;
    private bool _asked;
    private int _ended;

    /// <summary>The response id the client sees.</summary>
    public string Id => id;

    /// <summary>The request as parsed.</summary>
    public ChatCompletionRequest Request => request;

    /// <summary>Where it was routed.</summary>
    public Assigned Assigned => assigned;

    /// <summary>Unix seconds of its arrival.</summary>
    public long Created => _createdAt.ToUnixTimeSeconds();

    /// <summary>Who asked.</summary>
    public Caller Caller { get; init; } = Caller.Local;

    /// <summary>The guards of this request, or null for none.</summary>
    public GuardSession? Guards { get; init; }

    /// <summary>The worker that is answering, once one was picked.</summary>
    public WorkerState? Worker { get; set; }

    /// <summary>Token counts the worker reported.</summary>
    public TokenUsage? Usage { get; set; }

    /// <summary>The finish reason the worker gave.</summary>
    public string? FinishReason { get; set; }

    /// <summary>True when the record is made.</summary>
    public bool Ended => Volatile.Read(ref _ended) == 1;

    /// <summary>Time since the request arrived.</summary>
    public TimeSpan Elapsed => clock.GetElapsedTime(_started);

    /// <summary>Notes that a worker is asked now; the first one counts.</summary>
    public void AskingWorker()
    {
        if (!_asked)
        {
            _asked = true;
            Instruments.AskedAfter(assigned.Deployment.Deployment.Name, Elapsed.TotalSeconds);
        }
    }

    /// <summary>Adds reply text; the first call marks the first token.</summary>
    public void AddReply(string text)
    {
        if (text.Length > 0)
        {
            _firstToken ??= clock.GetTimestamp();
            _reply.Append(text);
        }
    }

    /// <summary>The record of this request, or null when it was made before.</summary>
    public Interaction? End(EndReason reason, int status)
    {
        if (Interlocked.Exchange(ref _ended, 1) == 1)
        {
            return null;
        }

        var reply = _reply.ToString();
        var interaction = new Interaction
        {
            Id = id,
            CreatedAt = _createdAt,
            Deployment = assigned.Deployment.Deployment.Name,
            ReleaseId = assigned.Release.Release.Id,
            Generation = assigned.Release.Release.Generation,
            Contract = assigned.Release.ContractName,
            RolloutId = assigned.RolloutId,
            Arm = assigned.Arm,
            ArmShare = assigned.Share,
            UnitHash = unit.Hash,
            UnitSource = unit.Source,
            User = request.SafetyIdentifier ?? request.User,
            Owner = Caller.Owner,
            KeyId = Caller.KeyId,
            Messages = request.Messages,
            Reply = reason == EndReason.Refused ? null : reply,
            End = reason,
            Status = status,
            Usage = Usage,
            Timings = new(
                _firstToken is { } first ? clock.GetElapsedTime(_started, first).TotalMilliseconds : null,
                clock.GetElapsedTime(_started).TotalMilliseconds),
            Streamed = request.Stream,
            Worker = Worker?.Name,
            OptOut = optOut,
        };
        return interaction with
        {
            Flags =
            [
                .. FlagPolicy.Judge(interaction.Reply, reason, status, interaction.Timings, assigned.Release.Schema, latencyObjective: null),
                .. Guards?.Flags() ?? [],
            ],
        };
    }
}
