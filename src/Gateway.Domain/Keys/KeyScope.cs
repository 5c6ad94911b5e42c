namespace Gateway.Domain.Keys;

/// <summary>What a key may be used for; a key holds one or several.</summary>
[Flags]
public enum KeyScope
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Replies of models.</summary>
    Inference = 1,

    /// <summary>Rating replies.</summary>
    Feedback = 2,

    /// <summary>Reading metrics and the state of workers.</summary>
    Metrics = 4,

    /// <summary>Every call.</summary>
    Operator = 8,
}
