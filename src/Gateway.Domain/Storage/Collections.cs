namespace Gateway.Domain.Storage;

/// <summary>The names of the document collections and the shape of their keys.</summary>
public static class Collections
{
    /// <summary>Contract versions; key <c>name/000001</c>.</summary>
    public const string Contracts = "contracts";

    /// <summary>Contract labels; key <c>name/label</c>.</summary>
    public const string Labels = "labels";

    /// <summary>Adapter generations; key = generation.</summary>
    public const string Adapters = "adapters";

    /// <summary>Releases; key = release id.</summary>
    public const string Releases = "releases";

    /// <summary>Deployments; key = name.</summary>
    public const string Deployments = "deployments";

    /// <summary>Rollouts; key = rollout id.</summary>
    public const string Rollouts = "rollouts";

    /// <summary>Training jobs; key = job id.</summary>
    public const string Jobs = "jobs";

    /// <summary>Feedback; key <c>responseId/feedbackId</c>.</summary>
    public const string Feedback = "feedback";

    /// <summary>Feedback ids; key = feedback id, value = the key in <see cref="Feedback"/>.</summary>
    public const string FeedbackIds = "feedback-ids";

    /// <summary>Idempotency keys of feedback; key = SHA-256 of the caller's key.</summary>
    public const string Idempotency = "idempotency";

    /// <summary>Completions that callers asked to keep; key <c>arrival in milliseconds/response id</c>.</summary>
    public const string StoredCompletions = "stored-completions";

    /// <summary>Responses that are kept; key = response id.</summary>
    public const string Responses = "responses";

    /// <summary>Which responses belong to a conversation; key <c>first response's id/response id</c>, the first itself left out.</summary>
    public const string ResponseTrees = "response-trees";

    /// <summary>When responses end; key <c>end in milliseconds/response id</c>.</summary>
    public const string ResponseExpiries = "response-expiries";

    /// <summary>Audit entries; key = 20-digit sequence; the key <c>head</c> holds the newest entry.</summary>
    public const string Audit = "audit";

    /// <summary>Workers that operators added or drain; key = name.</summary>
    public const string Workers = "workers";

    /// <summary>What was erased on behalf of end users; key = the report's id. Holds no user and no content.</summary>
    public const string Erasures = "erasures";

    /// <summary>Leases; key = what is leased.</summary>
    public const string Leases = "leases";

    /// <summary>Secrets and settings of this installation; key = name.</summary>
    public const string Installation = "installation";

    /// <summary>API keys, without their secrets; key = the key's id.</summary>
    public const string Keys = "keys";

    /// <summary>Use of budgets that is counted in this store's process; key = the API key's id.</summary>
    public const string BudgetUses = "budget-uses";
}
