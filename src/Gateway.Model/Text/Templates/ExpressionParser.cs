using System.Globalization;

namespace Gateway.Model.Text.Templates;

/// <summary>Parses expressions with Jinja's precedence: a filter or test binds tighter than any operator.</summary>
internal sealed class ExpressionParser(List<Token> tokens)
{
    private const int DeepestNesting = 200;
    private int _depth;

    public int Position { get; set; }

    public Token Current => tokens[Position];

    /// <summary>Every name read since it was cleared; tells which special names a macro uses.</summary>
    public HashSet<string> Names { get; private set; } = new(StringComparer.Ordinal);

    public Token Next() => tokens[Position++];

    public bool IsOperator(string text) => Current is { Kind: TokenKind.Operator } token && token.Text == text;

    public bool IsName(string text) => Current is { Kind: TokenKind.Name } token && token.Text == text;

    public bool Skip(string text)
    {
        if (!IsOperator(text) && !IsName(text))
            return false;
        Position++;
        return true;
    }

    public void Expect(string text)
    {
        if (!Skip(text))
            throw Error($"expected '{text}', found {Current}.");
    }

    public string ExpectName()
    {
        if (Current.Kind != TokenKind.Name)
            throw Error($"expected a name, found {Current}.");
        return Next().Text;
    }

    public TemplateException Error(string message) => new(TemplateErrorKind.Syntax, message, Current.Line);

    /// <summary>Runs an action and returns the names it read.</summary>
    public (T Result, IReadOnlySet<string> Names) CollectNames<T>(Func<T> action)
    {
        var outer = Names;
        Names = new HashSet<string>(StringComparer.Ordinal);
        var result = action();
        var own = Names;
        outer.UnionWith(own);
        Names = outer;
        return (result, own);
    }

    public Expression Expression(bool withCondition = true)
    {
        if (++_depth > DeepestNesting)
            throw Error($"the expression is nested more than {DeepestNesting} levels deep; simplify it.");
        var result = withCondition ? Condition() : Or();
        _depth--;
        return result;
    }

    /// <summary>One expression, or several with commas as a tuple.</summary>
    public Expression Tuple(bool withCondition = true, Func<bool>? ends = null)
    {
        var first = Expression(withCondition);
        if (!IsOperator(","))
            return first;
        var items = new List<Expression> { first };
        while (Skip(","))
        {
            if (Current.Kind == TokenKind.End || IsOperator("=") || IsOperator(")") || (ends?.Invoke() ?? false))
                break;
            items.Add(Expression(withCondition));
        }

        return new ListDisplay(items, isTuple: true);
    }

    /// <summary>A name, a namespace field, or several of them.</summary>
    public Expression Target()
    {
        var items = new List<Expression>();
        var isTuple = false;
        do
        {
            if (items.Count > 0 && (IsName("in") || IsOperator("=")))
                break;
            items.Add(TargetItem());
            isTuple |= IsOperator(",");
        }
        while (Skip(","));
        return isTuple ? new ListDisplay(items, isTuple: true) : items[0];
    }

    public ArgumentList CallArguments()
    {
        Expect("(");
        var positional = new List<(Expression, bool)>();
        var named = new List<(string?, Expression)>();
        while (!IsOperator(")"))
        {
            if (Skip("**"))
                named.Add((null, Expression()));
            else if (Skip("*"))
                positional.Add((Expression(), true));
            else if (Current.Kind == TokenKind.Name && tokens[Position + 1] is { Kind: TokenKind.Operator, Text: "=" })
                named.Add((NameAndEquals(), Expression()));
            else if (named.Count > 0)
                throw Error("a positional argument follows a named one; move it forward.");
            else
                positional.Add((Expression(), false));
            if (!IsOperator(")"))
                Expect(",");
        }

        Expect(")");
        return new ArgumentList(positional, named);
    }

    /// <summary>The filters and tests behind an operand.</summary>
    public Expression Filtered(Expression operand)
    {
        while (true)
        {
            if (Skip("|"))
                operand = FilterOf(operand);
            else if (IsName("is"))
                operand = TestOf(operand);
            else if (IsOperator("("))
                operand = new Call(operand, CallArguments());
            else
                return operand;
        }
    }

    public Expression FilterOf(Expression operand)
    {
        var line = Current.Line;
        var name = DottedName();
        var filter = Filters.Find(name)
            ?? throw new TemplateException(TemplateErrorKind.Syntax, $"the filter '{name}' is not supported; rewrite the template without it.", line);
        return new FilterApplication(filter, operand, IsOperator("(") ? CallArguments() : ArgumentList.None);
    }

    private Expression TargetItem()
    {
        if (Skip("("))
        {
            var inner = Target();
            Expect(")");
            return inner;
        }

        var name = new VariableReference(ExpectName());
        return Skip(".") ? new AttributeAccess(name, ExpectName()) : name;
    }

    private string NameAndEquals()
    {
        var name = ExpectName();
        Expect("=");
        return name;
    }

    private string DottedName()
    {
        var name = ExpectName();
        while (Skip("."))
            name += "." + ExpectName();
        return name;
    }

    private Expression Condition()
    {
        var value = Or();
        while (Skip("if"))
        {
            var condition = Or();
            value = new Conditional(condition, value, Skip("else") ? Condition() : null);
        }

        return value;
    }

    private Expression Or()
    {
        var left = And();
        while (Skip("or"))
            left = new LogicalOperation(isAnd: false, left, And());
        return left;
    }

    private Expression And()
    {
        var left = Not();
        while (Skip("and"))
            left = new LogicalOperation(isAnd: true, left, Not());
        return left;
    }

    private Expression Not() => Skip("not") ? new NotOperation(Nested(Not)) : Compare();

    private Expression Compare()
    {
        var first = Binary(Concatenation, "+", "-");
        var rest = new List<(string, Expression)>();
        while (ComparisonSymbol() is { } symbol)
            rest.Add((symbol, Binary(Concatenation, "+", "-")));
        return rest.Count == 0 ? first : new Comparison(first, rest);
    }

    private string? ComparisonSymbol()
    {
        if (Current is { Kind: TokenKind.Operator, Text: "==" or "!=" or "<" or "<=" or ">" or ">=" })
            return Next().Text;
        if (Skip("in"))
            return "in";
        if (!IsName("not") || tokens[Position + 1] is not { Kind: TokenKind.Name, Text: "in" })
            return null;
        Position += 2;
        return "not in";
    }

    private Expression Concatenation() => Binary(() => Binary(Power, "*", "/", "//", "%"), "~");

    private Expression Power() => Binary(() => Unary(), "**");

    private Expression Binary(Func<Expression> operand, params ReadOnlySpan<string> symbols)
    {
        var left = operand();
        while (Current.Kind == TokenKind.Operator && symbols.Contains(Current.Text))
            left = new BinaryOperation(Next().Text, left, operand());
        return left;
    }

    private Expression Unary(bool withFilter = true)
    {
        Expression operand;
        if (IsOperator("-") || IsOperator("+"))
            operand = new SignOperation(Next().Text == "-", Nested(() => Unary(withFilter: false)));
        else
            operand = Primary();
        operand = Postfix(operand);
        return withFilter ? Filtered(operand) : operand;
    }

    private Expression Nested(Func<Expression> inner)
    {
        if (++_depth > DeepestNesting)
            throw Error($"the expression is nested more than {DeepestNesting} levels deep; simplify it.");
        var result = inner();
        _depth--;
        return result;
    }

    private Expression Primary()
    {
        var token = Next();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return Name(token.Text);
            case TokenKind.String:
                var text = token.Text;
                while (Current.Kind == TokenKind.String)
                    text += Next().Text;
                return new Literal(Value.Of(text));
            case TokenKind.Integer when long.TryParse(token.Text, CultureInfo.InvariantCulture, out var integer):
                return new Literal(Value.Of(integer));
            case TokenKind.Float:
                return new Literal(new FloatValue(double.Parse(token.Text, CultureInfo.InvariantCulture)));
            case TokenKind.Operator when token.Text == "(":
                return Parenthesised();
            case TokenKind.Operator when token.Text == "[":
                return new ListDisplay(Items("]"), isTuple: false);
            case TokenKind.Operator when token.Text == "{":
                return Dictionary();
            default:
                throw new TemplateException(TemplateErrorKind.Syntax, $"expected an expression, found {token}.", token.Line);
        }
    }

    private Expression Name(string name)
    {
        switch (name)
        {
            case "true" or "True":
                return new Literal(Value.True);
            case "false" or "False":
                return new Literal(Value.False);
            case "none" or "None":
                return new Literal(Value.None);
            default:
                Names.Add(name);
                return new VariableReference(name);
        }
    }

    private Expression Parenthesised()
    {
        if (Skip(")"))
            return new ListDisplay([], isTuple: true);
        var inner = Tuple();
        Expect(")");
        return inner;
    }

    private List<Expression> Items(string close)
    {
        var items = new List<Expression>();
        while (!IsOperator(close))
        {
            items.Add(Expression());
            if (!IsOperator(close))
                Expect(",");
        }

        Expect(close);
        return items;
    }

    private DictionaryDisplay Dictionary()
    {
        var items = new List<(Expression, Expression)>();
        while (!IsOperator("}"))
        {
            var key = Expression();
            Expect(":");
            items.Add((key, Expression()));
            if (!IsOperator("}"))
                Expect(",");
        }

        Expect("}");
        return new DictionaryDisplay(items);
    }

    private Expression Postfix(Expression operand)
    {
        while (true)
        {
            if (Skip("."))
                operand = Current.Kind == TokenKind.Integer
                    ? new ItemAccess(operand, Primary())
                    : new AttributeAccess(operand, ExpectName());
            else if (Skip("["))
                operand = Subscript(operand);
            else if (IsOperator("("))
                operand = new Call(operand, CallArguments());
            else
                return operand;
        }
    }

    private Expression Subscript(Expression owner)
    {
        var start = IsOperator(":") ? null : Tuple();
        if (Skip("]"))
            return new ItemAccess(owner, start!);
        Expect(":");
        var stop = IsOperator("]") || IsOperator(":") ? null : Expression();
        var step = Skip(":") && !IsOperator("]") ? Expression() : null;
        Expect("]");
        return new SliceAccess(owner, start, stop, step);
    }

    private Expression TestOf(Expression operand)
    {
        Expect("is");
        var isNegated = Skip("not");
        var line = Current.Line;
        var name = DottedName();
        var test = Tests.Find(name)
            ?? throw new TemplateException(TemplateErrorKind.Syntax, $"the test '{name}' is not supported; rewrite the template without it.", line);
        var arguments = ArgumentList.None;
        if (IsOperator("("))
            arguments = CallArguments();
        else if (TakesOperand())
            arguments = new ArgumentList([(Postfix(Primary()), false)], []);
        Expression result = new TestApplication(test, operand, arguments);
        return isNegated ? new NotOperation(result) : result;
    }

    private bool TakesOperand() => Current.Kind switch
    {
        TokenKind.Name => Current.Text is not ("else" or "or" or "and" or "is" or "if" or "in" or "not" or "recursive"),
        TokenKind.String or TokenKind.Integer or TokenKind.Float => true,
        TokenKind.Operator => Current.Text is "[" or "{",
        _ => false,
    };
}
