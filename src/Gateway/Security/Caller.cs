namespace Gateway.Security;

/// <summary>Who is calling and what they may do, as whoever checked the request set it on the connection's features.</summary>
/// <param name="Name">For the audit trail.</param>
/// <param name="IsOperator">True for whoever may change the server.</param>
public sealed record Caller(string Name, bool IsOperator)
{
    /// <summary>Whoever reaches a listener that asks for no keys.</summary>
    public static Caller Local { get; } = new("operator", IsOperator: true);
}
