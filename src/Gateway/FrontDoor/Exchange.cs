using System.Diagnostics;
using Gateway.Api.Wire;
using Gateway.Domain.Interactions;
using Gateway.Guards;
using Gateway.Limits;
using Gateway.Security;
using Gateway.Telemetry;

namespace Gateway.FrontDoor;

/// <summary>
/// One request on its way through the front door: what is known about it grows until <see cref="End"/> makes the record,
/// exactly once whoever calls it first (the tap that saw the reply's end, or the road's last step). Used by one request;
/// only <see cref="End"/> may be called from several threads.
/// </summary>
public sealed class Exchange(string id, InferenceRequest request, RandomisationUnit unit, Assigned assigned, bool optOut, TimeProvider clock)
{
    private readonly SortedDictionary<int, ChoiceRecord> _choices = [];
    private readonly long _started = clock.GetTimestamp();
    private readonly DateTimeOffset _createdAt = clock.GetUtcNow();
    private long? _firstToken;
    private bool _asked;
    private IReplyForm? _form;
    private int _ended;

    /// <summary>The response id the client sees.</summary>
    public string Id => id;

    /// <summary>The request as parsed.</summary>
    public InferenceRequest Request => request;

    /// <summary>The same when it is a chat, else null.</summary>
    public ChatCompletionRequest? Chat => request as ChatCompletionRequest;

    /// <summary>The contract that was applied, as <c>name@version</c>, or null; text completions have none.</summary>
    public string? Contract => Chat is null ? null : assigned.Release.ContractName;

    /// <summary>Where workers answer it.</summary>
    public string Path => request is CompletionRequest ? "/v1/completions" : "/v1/chat/completions";

    /// <summary>Where it was routed.</summary>
    public Assigned Assigned => assigned;

    /// <summary>What a rollout assigned it by.</summary>
    public RandomisationUnit Unit => unit;

    /// <summary>Unix seconds of its arrival.</summary>
    public long Created => _createdAt.ToUnixTimeSeconds();

    /// <summary>Who asked.</summary>
    public Caller Caller { get; init; } = Caller.Local;

    /// <summary>The guards of this request, or null for none.</summary>
    public GuardSession? Guards { get; init; }

    /// <summary>True when guards let the messages through to no worker.</summary>
    public bool Blocked { get; init; }

    /// <summary>What the key's limits granted, or null.</summary>
    public LimitTicket? Ticket { get; init; }

    /// <summary>The request's span, or null while nobody listens.</summary>
    public Activity? Span { get; set; }

    /// <summary>The salt of the workers' prefix cache: owners share no prompts, whatever salt they give.</summary>
    public string? CacheSalt => Caller.CacheSalt is { } owners ? $"{owners}/{request.CacheSalt}" : request.CacheSalt;

    /// <summary>How the reply is written for the client.</summary>
    internal IReplyForm Form
    {
        get => _form ??= new ChatReplyForm(this);
        set => _form = value;
    }

    /// <summary>The worker that is answering, once one was picked.</summary>
    public WorkerState? Worker { get; set; }

    /// <summary>Token counts the worker reported.</summary>
    public TokenUsage? Usage { get; set; }

    /// <summary>The finish reason of the first choice; null until it has one.</summary>
    public string? FinishReason => _choices.TryGetValue(0, out var first) ? first.FinishReason : null;

    /// <summary>True when every choice asked for has ended.</summary>
    public bool HasAllChoices => _choices.Count == request.N * ((request as CompletionRequest)?.Prompts.Count ?? 1)
        && _choices.Values.All(choice => choice.FinishReason is not null);

    /// <summary>True when the record is made.</summary>
    public bool Ended => Volatile.Read(ref _ended) == 1;

    /// <summary>How it ended; null before.</summary>
    public EndReason? EndedAs { get; private set; }

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

    /// <summary>The record of a choice.</summary>
    internal ChoiceRecord Choice(int index)
    {
        if (!_choices.TryGetValue(index, out var choice))
        {
            _choices.Add(index, choice = new ChoiceRecord());
        }

        return choice;
    }

    /// <summary>Notes that something of the reply has come; the first call marks the first token.</summary>
    public void NoteArrival() => _firstToken ??= clock.GetTimestamp();

    /// <summary>The record of this request, or null when it was made before.</summary>
    public Interaction? End(EndReason reason, int status)
    {
        if (Interlocked.Exchange(ref _ended, 1) == 1)
        {
            return null;
        }

        EndedAs = reason;
        var first = _choices.GetValueOrDefault(0);
        var others = _choices.Where(choice => choice.Key > 0).Select(choice => choice.Value).ToList();
        var reply = reason == EndReason.Refused ? null : first?.Text ?? "";
        var calls = first?.ToolCalls;
        var timings = new Timings(
            _firstToken is { } arrival ? clock.GetElapsedTime(_started, arrival).TotalMilliseconds : null,
            clock.GetElapsedTime(_started).TotalMilliseconds);

        // A whole reply comes at once: its first token says nothing that its total does not.
        var judged = request.Stream ? timings : timings with { FirstTokenMs = null };
        return new Interaction
        {
            Id = id,
            Kind = request is CompletionRequest ? InteractionKind.Completion : InteractionKind.Chat,
            CreatedAt = _createdAt,
            Deployment = assigned.Deployment.Deployment.Name,
            ReleaseId = assigned.Release.Release.Id,
            Generation = assigned.Release.Release.Generation,
            Contract = Contract,
            RolloutId = assigned.RolloutId,
            Arm = assigned.Arm,
            ArmShare = assigned.Share,
            UnitHash = unit.Hash,
            UnitSource = unit.Source,
            User = request.SafetyIdentifier ?? request.User,
            Owner = Caller.Owner,
            KeyId = Caller.KeyId,
            Messages = Messages,
            Reply = reply,
            Tools = Chat?.Tools,
            ToolCalls = calls,
            FinishReason = first?.FinishReason,
            OtherReplies = others.Count == 0 ? null : [.. others.Select(choice => new OtherReply(choice.Text, choice.ToolCalls, choice.FinishReason))],
            Metadata = request.Metadata,
            End = reason,
            Status = status,
            Usage = Usage,
            Timings = timings,
            Streamed = request.Stream,
            Worker = Worker?.Name,
            OptOut = optOut,
            Flags =
            [
                .. FlagPolicy.Judge(
                    new(reply, reason, status, judged, Messages, calls is not null),
                    Chat is null ? null : assigned.Release.Schema, assigned.Release.Contract?.Content.Flags),
                .. Guards?.Flags() ?? [],
            ],
        };
    }

    /// <summary>The caller's messages.</summary>
    public IReadOnlyList<ChatMessage> Messages { get; } = MessagesOf(request);

    /// <summary>The messages of a request; of a text completion its prompts, as messages of a user.</summary>
    public static IReadOnlyList<ChatMessage> MessagesOf(InferenceRequest request) => request switch
    {
        ChatCompletionRequest chat => chat.Messages,
        CompletionRequest completion => [.. completion.Prompts.Select(prompt => new ChatMessage
        {
            Role = "user",
            Content = prompt.Text ?? $"[{string.Join(',', prompt.Ids!)}]",
        })],
        _ => [],
    };
}
